"""The report in a real Chromium: it works, says nothing on the console, asks nothing of the network, and axe finds nothing.

In: pages from factory.py, opened from disk. Skipped, saying so, where playwright or a Chromium is not installed.
"""

from __future__ import annotations

import os
import shutil

import pytest

from tests.report import factory
from trtlens.report.html import write_html

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright (dev extra) is not installed: browser tests are skipped")

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: browser tests are skipped (apt-get install chromium)")

ARGUMENTS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

PATIENCE_MS = 120_000  # the machine may be busy; nothing here measures time


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    engine = factory.engine(120)
    write_html(engine, folder / "engine.html", factory.extras_for(engine))
    write_html(factory.hostile(), folder / "hostile.html")
    write_html(factory.engine(5000), folder / "big.html", pictures=False)
    write_html(factory.diagnosis(), folder / "nothing.html")
    return folder


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=PATIENCE_MS)
        yield made
        made.close()


@pytest.fixture
def open_page(browser, pages):
    """Opens a report and, at the end of the test, asserts that it made no request and said nothing on the console."""
    contexts, noise = [], []

    def make(name, address="", **options):
        context = browser.new_context(**({"viewport": {"width": 1440, "height": 900}} | options))
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        own = (pages / name).as_uri()
        page.on("console", lambda message: noise.append(f"console {message.type}: {message.text}"))
        page.on("pageerror", lambda error: noise.append(f"error: {error}"))
        page.on("dialog", lambda dialog: noise.append("a dialog opened"))
        page.on("request", lambda request: noise.append(f"request: {request.url[:200]}") if request.url.split("#")[0] != own else None)
        page.goto(own + address)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("html[data-ready]")
        return page

    yield make
    for context in contexts:
        context.close()
    assert noise == []


def names(page):
    return page.eval_on_selector_all("#rows .row .open", "nodes => nodes.map(node => node.closest('.row').layer.name)")


def test_it_opens_on_the_fallbacks_costliest_first(open_page):
    page = open_page("engine.html")
    times = page.eval_on_selector_all("#rows .row", "rows => rows.map(row => row.layer.time)")
    assert len(times) == 40 and times == sorted(times, reverse=True)
    assert page.inner_text("#found").startswith("40 of 120 layers")
    assert page.is_hidden("#static-layers")


def test_search_filter_and_sort_and_their_link(open_page):
    page = open_page("engine.html")
    page.fill("#search", "STAGE1 conv7")
    assert names(page) and all("stage1" in name and "conv7" in name for name in names(page))
    page.select_option("select[data-field=reason]", "no-kernel")
    found = names(page)
    assert 0 < len(found) < 20
    page.click("#head-name button")
    assert page.get_attribute("#head-name", "aria-sort") == "ascending" and names(page) == sorted(found)
    again = open_page("engine.html", page.evaluate("location.hash"))  # page.url hears of it later
    assert names(again) == sorted(found) and again.input_value("#search") == "STAGE1 conv7"
    page.fill("#search", "no such layer")
    assert names(page) == [] and page.is_visible("#empty")
    page.click("#empty button")
    assert page.inner_text("#found").startswith("120 of 120")


def test_unknown_figures_sort_last_both_ways(open_page):
    page = open_page("engine.html", "#sort=sparse")
    for _ in range(2):
        values = page.eval_on_selector_all("#rows .row", "rows => rows.map(row => row.layer.sparse ?? null)")
        known = [value for value in values if value is not None]
        assert values == known + [None] * (len(values) - len(known)) and len(known) == 30
        page.click("#head-sparse button")


def test_a_row_opens_to_its_proof(open_page):
    page = open_page("engine.html")
    page.click("#rows .row >> nth=2")
    detail = page.inner_text(".detail")
    for text in ("What to do", "Suspects", "Evidence", "build.log:", "layers.json/Layers/", "Races", "Why eligible", "Neighbours", "0x"):
        assert text in detail
    assert page.locator(".detail svg.race circle").count() > 27
    page.click(".detail summary >> nth=0")
    assert page.locator(".detail .tactics tbody tr:visible").count() == 24
    page.click(".detail a >> nth=0")
    page.wait_for_function("document.querySelectorAll('.detail').length === 1 && location.hash.includes('layer=')")


def test_the_keyboard_does_it_all(open_page):
    page = open_page("engine.html")
    page.keyboard.press("/")
    page.keyboard.type("stage2")
    assert all("stage2" in name for name in names(page))
    page.keyboard.press("Escape")
    assert page.input_value("#search") == ""
    page.keyboard.press("Escape")
    for key in "jjk":
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    assert page.get_attribute("#rows .row >> nth=0", "data-open") == ""
    page.keyboard.press("Escape")
    assert page.locator(".detail").count() == 0
    assert page.evaluate("document.activeElement.closest('.row').dataset.index") == "0"


def test_a_link_opens_a_layer_that_the_default_filter_hides_far_down(open_page):
    made = factory.engine(5000).captures[0].main
    layer = [item for item in made.layers if item.status == "ineligible"][300]
    page = open_page("big.html", "#layer=" + layer.name.replace(" ", "%20"))
    assert page.locator(".detail").count() == 1
    assert page.evaluate("document.querySelector('.detail').previousElementSibling.layer.name") == layer.name
    top = "document.querySelector('.detail').previousElementSibling.getBoundingClientRect().top"
    page.wait_for_function(f"0 <= {top} && {top} < 300")


def test_five_thousand_layers_render_as_they_are_scrolled_to(open_page):
    page = open_page("big.html", "#status=")
    assert page.inner_text("#found").startswith("5,000 of 5,000")
    assert len(names(page)) < 1000
    page.evaluate("""() => {
        const further = () => {
            if (document.querySelector("#more").hidden) return;
            scrollTo(0, document.documentElement.scrollHeight);
            requestAnimationFrame(() => requestAnimationFrame(further));  // so that the page sees it come into view, go, and come again
        };
        further();
    }""")
    page.wait_for_selector("#more", state="hidden")
    assert len(names(page)) == 5000


def test_hostile_names_do_nothing(open_page):
    page = open_page("hostile.html", "#status=")
    assert "owned" not in page.title()
    assert names(page)[:1] and len(names(page)) == len(factory.HOSTILE_NAMES)
    for index in range(len(factory.HOSTILE_NAMES)):
        page.locator("#rows .row .open").nth(index).click()
    assert page.locator(".detail").count() == len(factory.HOSTILE_NAMES)
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 3
    page.click("#pictures summary")
    page.wait_for_selector("#pictures[data-ready]")
    assert page.locator("#figures img, #figures a").count() == 0
    assert "owned" not in page.title()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440


def test_pictures_are_drawn_when_opened_and_lead_to_layers(open_page):
    page = open_page("engine.html")
    assert page.evaluate("typeof Plotly") == "undefined"
    page.click("#pictures summary")
    page.wait_for_selector("#pictures[data-ready]")
    assert page.locator("#figures .main-svg").count() >= 4
    assert page.locator("#figures figcaption").all_inner_texts() == [
        "Time by status and reason",
        "Where the milliseconds are",
        "Best dense against best sparse",
        "Formats along the engine",
    ]
    page.evaluate("""() => {
        const plot = document.querySelectorAll('.plot')[2];
        const trace = plot.data.find((item) => item.customdata && item.customdata.length);
        plot.emit('plotly_click', { points: [{ customdata: trace.customdata[0] }] });
    }""")
    assert page.locator(".detail").count() == 1


@pytest.mark.parametrize("width", [390, 1440])
def test_the_pictures_can_be_read(open_page, width):
    page = open_page("engine.html", viewport={"width": width, "height": 844})
    page.click("#pictures summary")
    page.wait_for_selector("#pictures[data-ready]")
    # Every figure behind a bar ends where the axes end, and a tick is a number of milliseconds, not a digit of it.
    beyond = """() => { const plot = document.querySelector('.plot'), size = plot._fullLayout._size, end = plot.getBoundingClientRect().left + size.l + size.w;
        return [...plot.querySelectorAll('.bartext')].map((text) => text.getBoundingClientRect().right - end); }"""
    assert len(over := page.evaluate(beyond)) >= 3 and max(over) <= 0
    ticks = "() => { const axis = document.querySelectorAll('.plot')[2]._fullLayout.xaxis; return axis._vals.map((tick) => [tick.text, 10 ** tick.x]); }"
    shown = page.evaluate(ticks)
    assert len(shown) >= 2 and all(float(text) == pytest.approx(value) for text, value in shown)


def test_dark_and_light_differ_and_follow_the_reader(open_page):
    ground = "getComputedStyle(document.body).backgroundColor"
    assert open_page("engine.html", color_scheme="light").evaluate(ground) == "rgb(255, 255, 255)"
    assert open_page("engine.html", color_scheme="dark").evaluate(ground) == "rgb(20, 23, 27)"


def test_a_phone_shows_it_without_scrolling_sideways(open_page):
    page = open_page("engine.html", viewport={"width": 390, "height": 844})
    page.click("#rows .row >> nth=1")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("#rows .row >> nth=0").bounding_box()["height"] < 120


def test_without_javascript_summary_and_fallbacks_are_there(open_page):
    page = open_page("engine.html", java_script_enabled=False)
    assert "40 of 60 eligible layers run dense" in page.inner_text("h1")
    assert page.locator("#static-layers tbody tr:visible").count() == 40
    assert page.is_hidden("#explorer") and page.is_hidden("#pictures")


def test_print_shows_the_fallback_table(open_page):
    page = open_page("engine.html")
    page.emulate_media(media="print")
    assert page.is_visible("#static-layers") and page.is_hidden("#explorer")


def test_a_report_about_nothing_still_opens(open_page):
    assert "nothing to diagnose" in open_page("nothing.html").inner_text("h1")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_axe_finds_no_accessibility_fault(open_page, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python (dev extra) is not installed")
    page = open_page("engine.html", viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.click("#rows .row >> nth=2")
    page.click("#pictures summary")
    page.wait_for_selector("#pictures[data-ready]")
    result = axe.Axe().run(page)
    found = [
        (fault["id"], node["html"][:200], node["failureSummary"]) for fault in result.response["violations"] for node in fault["nodes"]
    ]
    assert found == []
