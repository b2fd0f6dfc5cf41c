"""How smoothly the flow editor moves: frames a second while a flow of 300 nodes is dragged about in Chromium.

The bar stands in the benchmark of the web; this is the part of it that draws. `editor_fps` wants a page that shows the
editor (/flows/NAME/edit) on the draft `big_flow()`.
"""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

NODES = 300
MOVES = 90
"""Of the mouse, in each of the three things that are done."""
WHEEL, WHEELS = 40, 27
"""From where one reads to where all nodes are seen, and no further: then it would not come back to where it was."""
COUNT_FRAMES = """() => {
  const state = { frames: 0, begun: performance.now(), ended: 0, on: true };
  const frame = (now) => {
    if (!state.on) return;
    state.frames += 1;
    state.ended = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  window.countedFrames = state;
}"""
FRAMES_A_SECOND = """() => {
  const state = window.countedFrames;
  state.on = false;
  return 1000 * state.frames / (state.ended - state.begun);
}"""
NODE_IN_SIGHT = """() => {
  const canvas = document.querySelector('.fe-canvas').getBoundingClientRect();
  const boxes = [...document.querySelectorAll('.fe-node .fe-name')].map((name) => name.getBoundingClientRect());
  const [box] = boxes.filter((box) => box.top > canvas.top && box.left > canvas.left
    && box.bottom < canvas.bottom - 200 && box.right < canvas.right - 250);
  return { x: box.left + 8, y: box.top + box.height / 2 };
}"""


def big_flow(nodes: int = NODES) -> dict[str, Any]:
    """Return a flow of so many nodes in rows: questions, branches and texts, each leading on and some of them back."""
    made: dict[str, Any] = {}
    for number in range(nodes - 2):
        following = f"n{number + 1}" if number < nodes - 3 else "route"
        back = f"n{max(0, number - 7)}"
        made[f"n{number}"] = _node(number, following, back)
    made["route"] = {"kind": "route", "exits": {"no_buyer": "bye"}}
    made["bye"] = {"kind": "hang_up"}
    layout = {name: {"x": 330 * (place % 20), "y": 220 * (place // 20)} for place, name in enumerate(made)}
    return {"format": 1, "entry": "n0", "nodes": made, "layout": layout}


def _node(number: int, following: str, back: str) -> dict[str, Any]:
    match number % 3:
        case 0:
            said = {"prompt": f"Question {number}?", "retry": "Once more?"}
            exits = {"answered": following, "unanswered": back}
            return {"kind": "ask", "tag": f"tag_{number}", "grammar": "number", **said, "exits": exits}
        case 1:
            arm = {"exit": "high", "when": {"fact": f"tag_{number - 1}", "kind": "number", ">": 10}}
            return {"kind": "branch", "arms": [arm], "exits": {"high": following, "else": following}}
        case _:
            return {"kind": "play", "text": f"This is text {number}.", "exits": {"next": following}}


async def editor_fps(page: Page) -> float:
    """Return the frames a second, over moving the view, dragging a node, and zooming out to all nodes and in again.

    The first round is for the compiler; the second counts.
    """
    await page.locator(".react-flow__node").first.wait_for()
    await _move_about(page)
    await page.evaluate(COUNT_FRAMES)
    await _move_about(page)
    return float(await page.evaluate(FRAMES_A_SECOND))


async def _move_about(page: Page) -> None:
    box = await page.locator(".fe-canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    # The view, by its empty ground.
    ground = page.locator(".react-flow__pane")
    await ground.hover(position={"x": 6, "y": 6})
    await page.mouse.down()
    await _wander(page, box["x"] + 6, box["y"] + 6)
    await page.mouse.up()
    # A node.
    at = await page.evaluate(NODE_IN_SIGHT)
    await page.mouse.move(at["x"], at["y"])
    await page.mouse.down()
    await _wander(page, x, y)
    await page.mouse.up()
    # Out to the whole flow, and in again.
    await page.mouse.move(x, y)
    for way in (WHEEL, -WHEEL):
        for _ in range(WHEELS):
            await page.mouse.wheel(0, way)


async def _wander(page: Page, x: float, y: float) -> None:
    for step in range(MOVES):
        await page.mouse.move(x + 3 * (step if step < MOVES / 2 else MOVES - step), y + 2 * (step % 30))
