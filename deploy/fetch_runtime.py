#!/usr/bin/env python3
"""Fetch the programs that ess-pbx drives into ``.runtime/root``, without root.

Asterisk, SIPp, PostgreSQL and espeak-ng come from Debian's archive, through apt with a state of
its own: nothing is installed and the machine's own apt is only read (mirror, proxy, keyring).
Started by ``./ess``; a second run finds the stamp and returns at once. Standard library only: it
runs before anything is installed. Exits 1 with what was tried and what to do when it cannot.

``ESS_PBX_DEBIAN_MIRROR`` names another mirror than the machine's; with ``ESS_PBX_RUNTIME`` set
there is already such a folder and nothing is fetched.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

if not __package__:  # started as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from deploy.debian_mirror import AGAIN, FetchError, find_keyring, find_mirror

PACKAGES = ("asterisk", "sip-tester", "postgresql-18", "espeak-ng")
SUITE = "forky"
MINIMUM_ASTERISK = (22, 10, 1)
RECIPE = 1  # raise it when the folder's content would differ, so that old ones are fetched anew
DISK_BYTES_NEEDED = 1_000_000_000
UPDATE_SECONDS = 180
DOWNLOAD_SECONDS = 900


class PrivateApt:
    """apt with its state, cache and sources in one folder; the machine's own stays untouched."""

    def __init__(self, folder: Path, mirror: str, keyring: Path) -> None:
        self._mirror = mirror
        self._configuration = folder / "apt.conf"
        self.archives = folder / "cache/archives"
        for sub in ("state/lists/partial", "cache/archives/partial", "etc", "log", "none"):
            (folder / sub).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "etc/sources.list").write_text(
            # Only the package list: appstream and apt-file would add many MB of other indexes.
            f"deb [signed-by={keyring} target=Packages] {mirror} {SUITE} main\n"
        )
        architecture = _words(["dpkg", "--print-architecture"])
        # Read by -c, so after the machine's own files: proxies and certificates stay in force,
        # while hooks (which would act on the machine's cache) and pins do not.
        self._configuration.write_text(f"""\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Default-Release;
#clear APT::Architectures;
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Cache::archives "archives";
Dir::Log "{folder}/log";
Dir::Etc::sourcelist "{folder}/etc/sources.list";
Dir::Etc::sourceparts "{folder}/none";
Dir::Etc::preferences "{folder}/etc/preferences";
Dir::Etc::preferencesparts "{folder}/none";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::PDiffs "false";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
""")

    def update(self) -> None:
        """Read the list of packages. Raises FetchError when the mirror does not give it."""
        self._run(
            ["update"],
            UPDATE_SECONDS,
            f"the Debian mirror {self._mirror} did not give the list of {SUITE}/main",
            "Check the network, or set ESS_PBX_DEBIAN_MIRROR to another Debian mirror.",
        )

    def download(self) -> list[Path]:
        """Fetch PACKAGES and all they depend on. Raises FetchError when one cannot be had."""
        self._run(
            ["install", "--download-only", "--yes", "--no-install-recommends", *PACKAGES],
            DOWNLOAD_SECONDS,
            f"{', '.join(PACKAGES)} could not be fetched from {self._mirror} ({SUITE}/main)",
            "Try again later (the archive may be between two states), or set "
            "ESS_PBX_DEBIAN_MIRROR to another Debian mirror.",
        )
        return sorted(self.archives.glob("*.deb"))

    def _run(self, arguments: Sequence[str], seconds: int, failure: str, advice: str) -> None:
        command = ["apt-get", "-q", "-c", str(self._configuration), *arguments]
        try:
            done = subprocess.run(  # noqa: S603 - fixed words
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=seconds,
                env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise FetchError(f"{failure} within {seconds} s. {advice} {AGAIN}") from error
        if done.returncode != 0:
            lines = (done.stdout + done.stderr).splitlines()
            quoted = [line for line in lines if line.startswith(("E:", "W:", "Err:"))] or lines
            words = "\n".join(f"  apt-get: {line}" for line in quoted[-8:])
            raise FetchError(f"{failure}:\n{words}\n{advice} {AGAIN}")


def unpack(debs: Sequence[Path], root: Path) -> dict[str, str]:
    """Unpack each package into ``root``; their names and versions.

    Raises FetchError when one does not unpack.
    """
    root.mkdir()

    def one(deb: Path) -> tuple[str, str]:
        try:
            _words(["dpkg-deb", "-x", str(deb), str(root)])
            name, version = _words(
                ["dpkg-deb", "--show", "--showformat=${Package} ${Version}", str(deb)]
            ).split()
        except subprocess.CalledProcessError as error:
            raise FetchError(f"{deb.name} did not unpack: {error.stderr.strip()}") from error
        deb.unlink()
        return name, version

    with ThreadPoolExecutor(os.cpu_count() or 2) as threads:
        versions = dict(threads.map(one, debs))
    for file in root.rglob("*"):
        # Nobody here needs the set-uid programs that some packages carry along.
        mode = file.lstat().st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
            file.chmod(stat.S_IMODE(mode) & 0o777)
    return versions


def asterisk_version(root: Path) -> tuple[int, int, int]:
    """What the unpacked Asterisk says it is. Raises FetchError when it does not start."""
    loaders = [*root.glob("usr/lib/*/ld-linux*.so.*"), *root.glob("usr/lib/*/ld64.so.*")]
    loader = (
        [str(loaders[0]), "--inhibit-cache", "--library-path", str(loaders[0].parent)]
        if loaders
        else []
    )
    return _version_of([*loader, str(root / "usr/sbin/asterisk")])


def system_suffices() -> bool:
    """Whether the machine itself has everything, with an Asterisk new enough."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
    asterisk = shutil.which("asterisk", path=path)
    others = all(shutil.which(name, path=path) for name in ("sipp", "espeak-ng"))
    postgres = any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not (asterisk and others and postgres):
        return False
    try:
        return _version_of([asterisk]) >= MINIMUM_ASTERISK
    except FetchError:
        return False


def fetch(runtime: Path) -> None:
    """Make ``runtime/root`` whole, or leave ``runtime`` as it was and raise FetchError."""
    if _is_current(runtime) or system_suffices():
        return
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise FetchError(
                f"{tool} was not found; Asterisk is fetched with Debian's own tools. Run this on "
                "Debian or Ubuntu, or install Asterisk 22.10.1 or newer, sipp, espeak-ng and "
                "PostgreSQL yourself."
            )
    mirror, keyring = find_mirror(), find_keyring()
    with _locked(runtime):
        if _is_current(runtime):  # another run did it while this one waited
            return
        free = shutil.disk_usage(runtime).free
        if free < DISK_BYTES_NEEDED:
            raise FetchError(
                f"{runtime} has {free // 10**6} MB free; unpacking needs "
                f"{DISK_BYTES_NEEDED // 10**6} MB. Make room. {AGAIN}"
            )
        work, new = runtime / "apt", runtime / "root.new"
        try:
            _remove(work, new)
            _say(f"reading the package list of {SUITE} (Debian) …")
            apt = PrivateApt(work, mirror, keyring)
            apt.update()
            _say(f"downloading {', '.join(PACKAGES)} …")
            debs = apt.download()
            megabytes = sum(deb.stat().st_size for deb in debs) // 10**6
            _say(f"unpacking {len(debs)} packages, {megabytes} MB …")
            versions = unpack(debs, new)
            version = _require(asterisk_version(new))
            _put_in_place(runtime, new, versions, version)
            _say(f"Asterisk {version} is ready in {runtime}")
        finally:
            _remove(work, new)


def _put_in_place(runtime: Path, new: Path, versions: dict[str, str], asterisk: str) -> None:
    stamp = {"asterisk": asterisk, "packages": versions, **_wanted()}
    draft = runtime / "stamp.json.new"
    old = runtime / "root.old"
    _remove(old)
    (runtime / "stamp.json").unlink(missing_ok=True)
    if (runtime / "root").exists():
        (runtime / "root").rename(old)
    new.rename(runtime / "root")
    draft.write_text(json.dumps(stamp, indent=1, sort_keys=True) + "\n")
    draft.rename(runtime / "stamp.json")
    _remove(old)


def _require(version: tuple[int, int, int]) -> str:
    if version < MINIMUM_ASTERISK:
        raise FetchError(
            f"the mirror gave Asterisk {_dotted(version)}; {_dotted(MINIMUM_ASTERISK)} or newer is "
            f"needed (older ones can be crashed from outside). The mirror lags behind: set "
            f"ESS_PBX_DEBIAN_MIRROR to another Debian mirror. {AGAIN}"
        )
    return _dotted(version)


def _wanted() -> dict[str, object]:
    return {"recipe": RECIPE, "suite": SUITE, "wanted": list(PACKAGES)}


def _is_current(runtime: Path) -> bool:
    try:
        stamp = json.loads((runtime / "stamp.json").read_text())
    except (OSError, ValueError):
        return False
    return (runtime / "root/usr").is_dir() and _wanted().items() <= stamp.items()


@contextlib.contextmanager
def _locked(runtime: Path) -> Iterator[None]:
    """Hold ``runtime`` against other runs; made if need be, gone again if it stayed empty."""
    while True:
        runtime.mkdir(parents=True, exist_ok=True)
        held = os.open(runtime, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another run is fetching; waiting for it …")
            fcntl.flock(held, fcntl.LOCK_EX)
        try:
            same = os.fstat(held).st_ino == runtime.stat().st_ino
        except FileNotFoundError:  # the run before failed and took the folder away
            same = False
        if same:
            break
        os.close(held)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            runtime.rmdir()
        os.close(held)


def _version_of(asterisk: Sequence[str]) -> tuple[int, int, int]:
    try:
        said = _words([*asterisk, "-V"])
    except (OSError, subprocess.SubprocessError) as error:
        raise FetchError(f"{asterisk[-1]} -V did not run: {error}") from error
    version = re.search(r"Asterisk (?:certified[-/])?(\d+)\.(\d+)\.(\d+)", said)
    if version is None:
        raise FetchError(f"{asterisk[-1]} -V said {said!r}; expected 'Asterisk 22.10.1' or newer")
    major, minor, patch = (int(part) for part in version.groups())
    return major, minor, patch


def _words(command: Sequence[str]) -> str:
    done = subprocess.run(  # noqa: S603 - fixed words
        command, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip()


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _dotted(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))


_STARTED = time.monotonic()


def _say(words: str) -> None:
    print(f"[runtime {time.monotonic() - _STARTED:5.1f} s] {words}", file=sys.stderr, flush=True)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(143)  # unwinds, so that half-done things are removed


def main() -> int:
    """Fetch into ``.runtime`` of the checkout this file lies in; 0 when it is there."""
    if os.environ.get("ESS_PBX_RUNTIME"):
        return 0
    signal.signal(signal.SIGTERM, _stop)
    try:
        fetch(Path(__file__).resolve().parents[1] / ".runtime")
    except FetchError as error:
        print(f"ess: cannot fetch Asterisk: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
