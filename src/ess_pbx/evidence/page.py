"""What the bundle says to people: the page with everything, and how to check it."""

from __future__ import annotations

import jinja2

HOW = """\
BUKTI PANGGILAN {call}                                  EVIDENCE OF CALL {call}

index.html       buka dengan peramban                     open in any browser
call.json        isi yang sama untuk program              the same for programs
recordings/      rekaman FLAC; kiri penelepon             FLAC; the caller on the left

Memeriksa bahwa tidak ada yang berubah / to check that nothing was changed:

1. Tanda tangan atas daftar ini (Ed25519), lalu setiap berkas di dalamnya.
   The signature of the list of files, then each file on it.
   openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig
   sha256sum -c SHA256SUMS
   Kunci public.pem harus sama dengan yang dimiliki pusat / compare public.pem with the centre's.
2. Setiap baris manifest/manifest.log dimulai dengan SHA-256 dari isi sesudahnya, dan menyebut
   SHA-256 baris sebelumnya ("prev"). Rekaman di sini adalah "audio_sha256".
   Each line of manifest/manifest.log begins with the SHA-256 of what follows it, and names that of
   the line before ("prev"). The recordings here have "audio_sha256".
3. Kepala rantai hari itu ditandatangani / the head of each day is signed, with the same key:
   cd manifest/heads
   openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in {day}.json -sigfile {day}.sig
   "hash" di berkas itu adalah SHA-256 baris nomor "seq" / its "hash" is that of line "seq".
"""

PAGE = jinja2.Template(
    """\
{%- macro shown(data) %}{% for name, value in data.items() if value is not none -%}
{{ name }}: {{ value }}<br>{% endfor %}{% endmacro -%}
<!DOCTYPE html>
<html lang="id"><head><meta charset="utf-8"><title>Panggilan {{ call.id }}</title>
<style>
body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; }
th, td { border-bottom: 1px solid #ccc; padding: .3rem .6rem; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code { word-break: break-all; }
</style></head><body>
<h1>Panggilan {{ call.id }}</h1>
<p>Dibuat {{ made_at }} oleh {{ by }}: {{ reason }}. Waktu dalam UTC.</p>
<table>{% for name, value in call.items() if value is not none %}
<tr><th>{{ name }}</th><td>{{ value }}</td></tr>{% endfor %}
</table>
<h2>Rekaman</h2>
{% for each in recordings %}
<p>{{ each.recording }}: {{ each.seconds }} detik, entri {{ each.entry }} manifest<br>
<code>{{ each.audio_sha256 }}</code><br>
{% if each.destroyed_at -%}
Dihancurkan {{ each.destroyed_at }} oleh {{ each.destroyed_by }}: {{ each.destroyed_reason }}
(entri {{ each.destroyed_entry }} manifest). Berkas tersegelnya:
<code>{{ each.sha256 }}</code>
{%- else %}<audio controls src="{{ each.file }}"></audio>{% endif %}</p>
{% else %}<p>Tidak ada rekaman yang tersimpan.</p>{% endfor %}
<h2>Laporan</h2>
{% for report in reports %}
<h3>{{ report.number }}</h3>
<table>{% for name, value in report.items()
    if value is not none and name not in ("number", "steps", "versions", "calls") %}
<tr><th>{{ name }}</th><td>{{ value }}</td></tr>{% endfor %}
<tr><th>panggilan</th><td>{% for of in report.calls %}{{ of.call }} ({{ of.linked_at }})<br>
{% endfor %}</td></tr></table>
<table><tr><th>waktu</th><th>instansi</th><th>langkah</th><th>oleh</th></tr>
{% for step in report.steps %}<tr><td>{{ step.at }}</td><td>{{ step.agency }}</td>
<td>{{ step.step }}</td><td>{{ step.by }}</td></tr>{% endfor %}</table>
<table><tr><th>waktu</th><th>perubahan</th><th>isi</th></tr>
{% for version in report.versions %}<tr><td>{{ version.at }}</td><td>{{ version.kind }}</td>
<td>{{ shown(version.data) }}</td></tr>{% endfor %}</table>
{% else %}<p>Tidak ada laporan tentang panggilan ini.</p>{% endfor %}
<h2>Urutan kejadian</h2>
<table><tr><th>ms</th><th>waktu</th><th>kejadian</th><th>isi</th></tr>
{% for event in events %}<tr><td class="number">{{ event.ms if event.ms is not none else "" }}</td>
<td>{{ event.at }}</td><td>{{ event.kind }}</td>
<td>{% for name, value in event.data.items() %}{{ name }}: {{ value }}<br>{% endfor %}</td></tr>
{% endfor %}</table>
<h2>Catatan audit</h2>
<table><tr><th>waktu</th><th>oleh</th><th>lewat</th><th>permintaan</th><th>isi</th></tr>
{% for row in audit %}<tr><td>{{ row.at }}</td><td>{{ row.by }}</td><td>{{ row.via }}</td>
<td>{{ row.action }}</td><td>{{ shown(row.subject) }}</td></tr>
{% else %}<tr><td>Tidak ada.</td></tr>{% endfor %}</table>
<h2>Siapa menyentuh rekaman</h2>
<table><tr><th>entri</th><th>waktu</th><th>rekaman</th><th>tindakan</th><th>oleh</th>
<th>alasan</th></tr>
{% for entry in acts %}<tr><td>{{ entry.seq }}</td><td>{{ entry.at }}</td>
<td>{{ entry.recording }}</td><td>{{ entry.act }} {{ entry.how }}</td>
<td>{{ entry.by }}{{ " (" ~ entry.user ~ ")" if entry.user }}</td><td>{{ entry.reason }}</td></tr>
{% endfor %}</table>
</body></html>
""",
    autoescape=True,
)
