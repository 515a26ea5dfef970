"""Takes the pictures of the docs with headless Chromium: `python docs/make_images.py`. Not part of CI: two Chromiums draw two pictures.

In: the small synthetic capture, one of its layers opened. Out: docs/images/report.png (1440 px) and report-phone.png (390 px). Next: README.md shows the first.
Needs the extra `dev` and a Chromium; CHROMIUM names its program if it is not on PATH.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from reports.make import render  # noqa: E402

SAMPLE = "synthetic_small.html"
OPENED = "#layer=Conv_8%20%2B%20Relu_9"
LIMIT_BYTES = 250_000
SHOTS = {"report.png": (1440, 2385, OPENED), "report-phone.png": (390, 1100, "")}
"""Width and height of each picture, and what the page shows."""


def small_png(data: bytes) -> bytes:
    """The picture with at most 256 colours: text and flat areas lose nothing that an eye sees."""
    from PIL import Image

    packed = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
    return packed.getvalue()


def main() -> None:
    from playwright.sync_api import sync_playwright

    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    (HERE / "images").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = Path(folder) / "report.html"
        page_file.write_text(render(SAMPLE, pictures=True), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, (width, height, shown) in SHOTS.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
            page.goto(page_file.as_uri() + shown)
            page.wait_for_selector("#explorer:not([hidden])")
            page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
            data = small_png(page.screenshot())
            if len(data) > LIMIT_BYTES:
                raise SystemExit(f"{name}: {len(data):,} bytes, the limit is {LIMIT_BYTES:,}")
            (HERE / "images" / name).write_bytes(data)
            print(f"{name}: {len(data):,} bytes")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
