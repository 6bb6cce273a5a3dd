"""Write `contacts.csv`, the list that `talkstack demo` dials."""

from pathlib import Path

from talkstack_async.cli.demo_list import demo_list

Path(__file__).with_name("contacts.csv").write_text(demo_list(), encoding="utf-8", newline="")
