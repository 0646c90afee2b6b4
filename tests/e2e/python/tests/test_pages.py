"""The programs that the pages show run as they are printed."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from access import KEY, SECRET, SERVER_URL, new_room, token_for

ROOT = Path(__file__).parents[4]
SHOWN_ADDRESS = re.compile(r"ws://(localhost|127\.0\.0\.1):7880")


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
async def test_the_program_of_the_readme_runs(page):
    [program] = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    said = await run(program, TOKEN=token_for(new_room("readme"), "robot"))
    assert "in the room with []" in said


async def test_the_program_of_the_page_on_data_runs():
    [program] = re.findall(r"<<'PY'\n(.*?)\nPY\n", (ROOT / "docs/data.md").read_text(), re.DOTALL)
    shown = '"devkey", "secret"'
    assert shown in program
    assert "b'hello'" in await run(program.replace(shown, f"{KEY!r}, {SECRET!r}"))


async def run(program, **environment):
    """What it prints."""
    assert SHOWN_ADDRESS.search(program)
    program = SHOWN_ADDRESS.sub(SERVER_URL.replace("http", "ws", 1), program)
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(child.communicate(), 60)
    assert child.returncode == 0, said.decode()
    return said.decode()
