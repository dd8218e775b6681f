"""The scripts of the App's page that need no page: what keys mean, and decisions on their way to the log."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from playwright._impl._driver import compute_driver_executable

from imageclinic.cleaning.review import session

APP = Path(session.__file__).parent / "plugin" / "app"


def run_script(script: str) -> Any:
    """What a script prints as JSON; it runs in the Node that Playwright brings, beside our modules."""
    node = compute_driver_executable()[0]
    command = [node, "--input-type=module", "-e", script]
    done = subprocess.run(command, cwd=APP, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_script_can_be_read() -> None:
    node = compute_driver_executable()[0]
    for path in [*APP.glob("*.js"), APP.parent / "review_keys.js"]:
        done = subprocess.run([node, "--check", str(path)], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr


def test_the_loader_names_every_module() -> None:
    loader = (APP.parent / "review_keys.js").read_text("utf-8")
    assert all(f'"{path.name}"' in loader for path in APP.iterdir())


def test_capital_letters_mean_the_same_and_shortcuts_of_the_browser_mean_nothing() -> None:
    found = run_script("""
        import { meaning } from "./actions.js";
        const plain = ["k", "D", "?", "3"].map((key) => ({ key }));
        const pressed = [...plain, { key: "r", ctrlKey: true }, { key: "Escape" }];
        console.log(JSON.stringify(pressed.map(meaning)));
    """)
    letters = [{"decision": "keep"}, {"decision": "drop"}]
    assert found == [*letters, {"help": True}, {"number": 3}, None, {"name": "Escape"}]


def test_numbers_are_for_the_likeliest_classes_and_of_the_random_sample_tell_nothing() -> None:
    found = run_script("""
        import { numbered } from "./card_view.js";
        const card = { likely: [["owl", 0.7], ["cat", 0.2]] };
        const many = Array.from({ length: 10 }, (_, n) => `class ${n}`);
        const names = (...given) => numbered(...given).map(({ name }) => name);
        const blind = [names(card, true, ["cat", "owl"]), names(card, true, many)];
        console.log(JSON.stringify([names(card, false, many), ...blind]));
    """)
    assert found == [["owl", "cat"], ["cat", "owl"], []]


def test_decisions_are_saved_one_at_a_time_in_the_order_of_the_keys() -> None:
    found = run_script("""
        import { Saver } from "./saver.js";
        let busy = 0, most = 0;
        const log = [];
        const send = async (job) => {
            most = Math.max(most, ++busy);
            await new Promise((r) => setTimeout(r, 20 - 3 * job));
            busy--; log.push(job);
            return {};
        };
        const saver = new Saver(send, () => {}, () => {}, () => {});
        for (const job of [1, 2, 3, 4]) saver.add(job);
        const waiting = saver.waiting;
        await saver.empty();
        console.log(JSON.stringify({ log, most, waiting, left: saver.waiting }));
    """)
    assert found == {"log": [1, 2, 3, 4], "most": 1, "waiting": 4, "left": 0}


def test_what_follows_a_decision_that_was_not_saved_is_not_sent() -> None:
    found = run_script("""
        import { Saver } from "./saver.js";
        const sent = [], saved = [], failed = [];
        const send = async (job) => { sent.push(job); if (job === 2) throw new Error("disk full"); return {}; };
        const saver = new Saver(send, (job) => saved.push(job), (jobs, why) => failed.push([...jobs, why]), () => {});
        for (const job of [1, 2, 3]) saver.add(job);
        await saver.empty();
        saver.add(4);
        await saver.empty();
        console.log(JSON.stringify({ sent, saved, failed }));
    """)
    assert found == {"sent": [1, 2, 4], "saved": [1, 4], "failed": [[2, 3, "NOT SAVED: disk full"]]}


def test_from_group_to_group_of_copies() -> None:
    found = run_script("""
        import { nextGroup } from "./copies.js";
        const clusters = ["a", "a", null, "b", "b", "b", null, "c"];
        const moves = [[0, 1], [3, 1], [7, 1], [7, -1], [4, -1], [1, -1], [2, 1], [8, -1]];
        console.log(JSON.stringify(moves.map(([at, by]) => nextGroup(clusters, at, by))));
    """)
    assert found == [3, 7, -1, 3, 0, -1, 3, 7]
