from failures import reliability


def test_the_page_says_what_the_campaigns_found():
    assert reliability.PAGE.read_text() == reliability.page()
