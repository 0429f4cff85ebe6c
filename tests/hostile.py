"""Texts that a careless program would run, expand, or print as something else."""

HOSTILE = [
    # shells
    "; rm -rf /tmp/mdbench-hostile", "$(touch /tmp/mdbench-hostile)", "`touch /tmp/mdbench-h`",
    "| cat /etc/passwd", "|| true", "&& reboot", "> /etc/passwd", "< /dev/zero", "a b", "*", "?",
    "~root", "!!", "%PATH%", "--help", "-rf", "a;b",
    # LAMMPS: variables, commands, continuation, comments, quotes
    "${x}", "$x", "$(v_x)", "$(2*3)", "v_x", "a\nshell rm -rf /", "a\r\nshell ls", "x &\nshell ls",
    "a &", "# comment", '"', "'", '"""', "'''", '""" shell ls """', "a\tb", "jump SELF",
    "shell touch /tmp/mdbench-hostile", "python f source here", "include /etc/passwd",
    # formats: JSON, TOML, YAML, HTML, templates
    '"}, "x": {"', "'\n[model]\nfile = 'x", "!!python/object/apply:os.system ['ls']", "*anchor",
    "<script>alert(1)</script>", "{{ 7*7 }}", "%s%n", "{0.__class__}", "\\", "\\x00", "\\u0000",
    # paths
    "../../../etc/passwd", "/etc/passwd", "/dev/zero", "..", ".", "a/../../b", "file:///etc/passwd",
    # characters
    "", " ", "\x00", "a\x00b", "\x1b[2J", "a\x7f", "\u202egnp.exe", "C\u200d", "\u0441",
    "\uff23", "\u0661", "e\u0301", "\ufeff", "\u2028", "\U0001f4a3", "\U000e0041",
    # lengths and numbers
    "a" * 1000, "A" * 100_000, "9" * 5000, "nan", "inf", "-1", "1e999", "0x10", "__proto__",
]
