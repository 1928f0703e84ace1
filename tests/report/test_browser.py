"""The probe of the pages is not blind: a page that is right passes, and each fault is seen."""

from browser import faults, needs_browser

DRAWN = '<div data-plot="curve" style="width: 300px; height: 50px"><svg width="300"><image/>{}</svg></div>'
BLANK = '<div data-plot="empty"><svg></svg></div>'


def write(folder, body):
    page = folder / "page.html"
    end = '<script>document.documentElement.dataset.drawn = "yes"</script>'
    page.write_text(f'<!doctype html><meta name="color-scheme" content="light dark"><body>{body}{end}</body>')
    return page


@needs_browser
def test_a_page_that_is_right_has_no_faults(tmp_path):
    assert faults(write(tmp_path, DRAWN.format('<text x="5" y="20">word</text>')), tmp_path, ["curve"]) == []


@needs_browser
def test_every_fault_is_seen_on_its_screen(tmp_path):
    wide, word = '<p style="width: 500px; margin: 0">wide</p>', '<text x="290" y="20">a word that is cut off</text>'
    table = "<table><tr><th>head<td style='display: grid; position: relative; top: 9px'>low</table>"
    silent = "<button></button><button>named</button>"
    page = write(
        tmp_path, DRAWN.format(word) + BLANK + wide + table + silent + "<script>console.error('lost')</script>"
    )
    found = faults(page, tmp_path, ["curve", "empty"])
    for width in (1280, 400):
        assert f"{width}: cut off in curve: a word that is cut off" in found
        assert f"{width}: not drawn: empty" in found
        assert f"{width}: 1 rows of tables fall apart" in found
        assert f"{width}: no name: <button></button>" in found
        assert not any("named" in fault for fault in found)
        assert any(fault.startswith(f"{width}: console: ") and "lost" in fault for fault in found)
    wider = [fault for fault in found if "too wide" in fault]
    assert len(wider) == 1
    assert wider[0].startswith("400: 1")
    assert "1280: not expected: curve" in faults(page, tmp_path, ["empty"])
