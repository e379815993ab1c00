"""A whole centre on one machine: telco, operators and agencies that are real SIP phones."""
