"""The program that the README shows runs as it is printed, in both languages."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from access import SERVER_URL, new_room, token_for

ROOT = Path(__file__).parents[4]
SHOWN_ADDRESS = "ws://localhost:7880"


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
async def test_the_program_of_the_readme_runs(page):
    [program] = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert SHOWN_ADDRESS in program
    program = program.replace(SHOWN_ADDRESS, SERVER_URL.replace("http", "ws", 1))
    environment = os.environ | {"TOKEN": token_for(new_room("readme"), "robot")}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(child.communicate(), 60)
    assert child.returncode == 0, said.decode()
    assert b"in the room with []" in said
