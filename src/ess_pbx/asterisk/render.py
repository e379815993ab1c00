"""Asterisk's configuration, rendered from the templates in ``asterisk/`` and ``dialplan/``."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import jinja2

from ess_pbx.errors import SettingsError
from ess_pbx.runtime import Runtime
from ess_pbx.settings.credentials import Credentials
from ess_pbx.settings.entry import home, numbers_of, own_host, rings
from ess_pbx.settings.model import Settings, trunks_of_neighbours

CLAIM_MS = 200
"""How long the dialplan waits for an engine before it rings the operators itself."""
AT_ONCE = 3
"""Phones that ring at once for a caller whom no engine claimed (docs/decisions/0011)."""

LONGEST_SOCKET_PATH = 107

TESTS = "uji"
"""Where, within the recordings' folder, test calls are recorded: no evidence, and soon deleted."""

MADE_BY = "Rendered by ess-pbx from its settings and templates; changes here are lost."

MODULES = (
    *("res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb", "res_timing_timerfd"),
    *("res_http_websocket", "res_websocket_client"),
    *("res_stasis", "res_stasis_broadcast", "res_stasis_answer", "res_stasis_playback"),
    *("res_stasis_recording", "res_stasis_snoop", "res_stasis_device_state"),
    *("res_ari", "res_ari_model", "res_ari_applications", "res_ari_asterisk", "res_ari_bridges"),
    *("res_ari_channels", "res_ari_endpoints", "res_ari_events", "res_ari_playbacks"),
    *("res_ari_recordings", "res_ari_device_states"),
    *("app_stasis", "app_stasis_broadcast", "app_mixmonitor", "app_dial", "app_playback"),
    *("pbx_config", "func_env", "func_logic", "func_strings", "func_talkdetect"),
    *("func_callerid", "func_cut", "func_devstate", "func_global", "func_groupcount"),
    "app_stack",
    "res_musiconhold",
    *("res_rtp_asterisk", "res_pjproject", "res_pjsip", "res_pjsip_session"),
    *("res_pjsip_sdp_rtp", "res_pjsip_caller_id", "res_pjsip_authenticator_digest"),
    "res_pjsip_header_funcs",
    *("res_pjsip_endpoint_identifier_ip", "res_pjsip_endpoint_identifier_user"),
    *("res_pjsip_registrar", "res_pjsip_rfc3326", "res_pjsip_dtmf_info", "res_pjsip_nat"),
    *("res_pjsip_pubsub", "chan_pjsip", "res_pjsip_refer", "chan_bridge_media"),
    # No bridge_simple: two parties are mixed as three are, so that what is written to the caller is
    # always linear and the recording complete (docs/decisions/0006).
    *("bridge_softmix", "bridge_holding", "bridge_builtin_features"),
    *("codec_alaw", "codec_ulaw", "codec_resample", "format_pcm", "format_sln", "format_wav"),
    "res_security_log",
)
"""What a call needs, in the order in which it is loaded."""

EMPTY_FILES = (
    *("acl", "ccss", "cel", "features", "manager", "pjproject", "stasis", "udptl"),
    "websocket_client",
)
"""Files without which Asterisk complains at every start, and whose defaults are what is wanted."""


@dataclass(frozen=True)
class AsteriskFolders:
    """Where one Asterisk keeps its things. All but ``modules`` and ``data`` are its own."""

    home: Path
    etc: Path
    varlib: Path
    spool: Path
    run: Path
    log: Path
    modules: Path
    data: Path
    prompts: Path
    recordings: Path
    fallback: Path
    """A file for each centre, by its id: the phones that ring when no engine answers."""
    unclaimed: Path
    """Where the dialplan writes what became of calls that no engine claimed."""

    @property
    def ended(self) -> Path:
        """Where it writes how each call ended that an engine had."""
        return self.unclaimed.with_name("ended-calls")

    @property
    def config_file(self) -> Path:
        """The file that names all of its folders."""
        return self.etc / "asterisk.conf"

    @classmethod
    def of(cls, settings: Settings, runtime: Runtime) -> AsteriskFolders:
        """The folders that belong to an installation's state folder."""
        state = settings.folders.state
        home = state / "asterisk"
        return cls(
            home=home,
            etc=home / "etc",
            varlib=home / "lib",
            spool=home / "spool",
            run=_run_folder(home),
            log=state / "log",
            modules=runtime.modules_dir(),
            data=runtime.data_dir("asterisk"),
            prompts=prompts_folder(settings),
            recordings=settings.folders.recordings,
            fallback=state / "fallback",
            unclaimed=state / "unclaimed-calls",
        )


def _run_folder(home: Path) -> Path:
    """Where the control socket lies: a UNIX socket's path has at most 107 bytes (unix(7))."""
    run = home / "run"
    if len(os.fsencode(run / "asterisk.ctl")) <= LONGEST_SOCKET_PATH:
        return run
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"ess-pbx-{os.getuid()}-{name}"


def prompts_folder(settings: Settings) -> Path:
    """Where built prompts lie."""
    return settings.folders.state / "prompts"


def render(
    settings: Settings,
    credentials: Credentials,
    folders: AsteriskFolders,
    *,
    transfers: bool = False,
) -> list[Path]:
    """Write the whole configuration; returns the files. Passwords are in files of mode 0600.

    ``transfers``: a phone's REFER goes to the engine, where that is safe (``asterisk.transfers``).
    Raises SettingsError when a template is missing or asks for what is not there.
    """
    for folder in (folders.etc, folders.varlib, folders.spool, folders.run, folders.log):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folders.recordings / TESTS).mkdir(parents=True, exist_ok=True, mode=0o700)
    homes = {trunk.id: home(settings, trunk) for trunk in settings.trunks}
    context = {
        "made_by": MADE_BY,
        "asterisk": settings.asterisk,
        "centres": settings.centres,
        "trunks": settings.trunks,
        "homes": homes,
        "elsewhere": {
            trunk.id: {
                digits: centre
                for digits, centre in rings(settings, trunk).items()
                if centre != homes[trunk.id]
            }
            for trunk in settings.trunks
        },
        "numbers": {centre.id: numbers_of(settings, centre.id) for centre in settings.centres},
        "languages": {centre.id: centre.language for centre in settings.centres},
        "tested": [centre for centre in settings.centres if centre.synthetic_call is not None],
        "unrecorded": [
            centre.id for centre in settings.centres if not centre.policy.record_waiting
        ],
        "own_host": own_host(settings.asterisk),
        "neighbours": trunks_of_neighbours(settings),
        "credentials": credentials,
        "folders": folders,
        "modules": MODULES,
        "tests": TESTS,
        "transfers": transfers,
        "claim_ms": CLAIM_MS,
        "at_once": AT_ONCE,
    }
    written = []
    for source in (settings.folders.templates, settings.folders.dialplan):
        environment = jinja2.Environment(  # noqa: S701 - these are no web pages
            loader=jinja2.FileSystemLoader(source),
            undefined=jinja2.StrictUndefined,
            keep_trailing_newline=True,
        )
        names = environment.list_templates(extensions=["j2"])
        if not names:
            raise SettingsError(
                f"{source}: no *.j2 templates there; expected Asterisk's configuration templates. "
                "Correct [folders] in the settings."
            )
        for name in names:
            try:
                text = environment.get_template(name).render(context)
            except jinja2.TemplateError as error:
                raise SettingsError(f"{source / name}: {error}") from error
            written.append(_write(folders.etc / name.removesuffix(".j2"), text))
    written += [
        _write(folders.etc / f"{name}.conf", f"; {MADE_BY}\n; Its defaults are what is wanted.\n")
        for name in EMPTY_FILES
    ]
    return written


def _write(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path
