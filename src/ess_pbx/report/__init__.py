"""The figures of a period as people read them: on the terminal, as CSV, as XLSX.

``period`` chooses the time, ``build`` lays out in ``tables`` the figures that
``ess_pbx.domain.service_level`` defines, ``write`` gives them their form.
"""
