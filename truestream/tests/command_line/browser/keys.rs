//! The keyboard alone: from the login to a decision, its undoing and an appeal, and one always sees where one is.

use super::{Browser, ENTER, House, Scripts, TAB, is_there};
use crate::data::world;

/// No page has so many places to stop at before one begins again.
const STOPS_MAX: usize = 400;

/// Goes on with Tab, or back with Shift and Tab, until the element that the selector names has the focus. At each stop the focus is seen: it has
/// an outline, it is on the screen, and nothing lies over it.
fn walk(page: &Browser, selector: &str, is_back: bool) {
    let look = "
        const at = document.activeElement;
        if (at === document.body) return { there: false, wrong: '' };
        const [box, style] = [at.getBoundingClientRect(), getComputedStyle(at)];
        const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
        const above = document.elementFromPoint(x, y);
        const wrong = [];
        if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) wrong.push('no outline');
        if (x < 0 || y < 0 || x > innerWidth || y > innerHeight) wrong.push('off the screen');
        if (above?.closest('#decide') && !at.closest('#decide')) wrong.push('under the bar');
        return { there: at.matches(arguments[0]), wrong: wrong.length ? `${wrong} ${at.outerHTML.slice(0, 200)}` : '' };";
    for _ in 0..STOPS_MAX {
        if is_back {
            page.press_with_shift(TAB);
        } else {
            page.press([TAB]);
        }
        let stop = page.run(look, &[selector.into()]);
        assert_eq!(stop["wrong"], "", "at {}", page.place());
        if stop["there"] == true {
            return;
        }
    }
    panic!("no key leads to {selector} at {}", page.place());
}

#[test]
fn the_keyboard_alone_leads_from_the_login_to_a_decision_its_undoing_and_an_appeal() {
    if !is_there() {
        return;
    }
    let house = House::of(world());
    let rita = Browser::open(&house, Scripts::On);
    let password = house.password("rita", "reviewer");
    rita.goto("/desk/login");
    // The page begins where one types.
    rita.press("rita".chars().chain([TAB]).chain(password.chars()));
    rita.leads_on(|page| page.press([ENTER]));
    assert_eq!(rita.place(), "/desk");

    // Past what every page has, to the first case: whoever opens it has claimed it.
    walk(&rita, ".skip", false);
    rita.press([ENTER]);
    walk(&rita, "#verdict", false);
    rita.press("escalate".chars());
    walk(&rita, ".filters button", false);
    rita.leads_on(|page| page.press([ENTER]));
    walk(&rita, ".cases tr:first-child a", false);
    rita.leads_on(|page| page.press([ENTER]));
    let case = rita.place();
    assert!(case.starts_with("/desk/case/"), "{case}");
    // Every stop of the page is seen, until it begins again.
    walk(&rita, ".skip", false);

    // An override has a reason; the letter keys are not needed.
    rita.goto(&case);
    walk(&rita, "#reason", false);
    rita.press(['1']);
    walk(&rita, "#decide [value=override]", true);
    rita.leads_on(|page| page.press([ENTER]));
    rita.says("override.");
    walk(&rita, "#undo", false);
    rita.leads_on(|page| page.press([ENTER]));
    rita.goto("/desk?decided=1");
    rita.says("Nothing was decided.");

    // The one it is about has no more than keys, either.
    rita.goto("/desk?subject=track");
    walk(&rita, ".cases tr:first-child a", false);
    rita.leads_on(|page| page.press([ENTER]));
    walk(&rita, "a[href^='/appeal/']", false);
    rita.leads_on(|page| page.press([ENTER]));
    walk(&rita, "#text", false);
    rita.press("It was our concert of the third, ask the club.".chars());
    walk(&rita, "form button", false);
    rita.leads_on(|page| page.press([ENTER]));
    rita.says("It is to be decided until");
    rita.was_quiet();
}
