//! Who takes the cases of each area: those whom the policy names, as long as one of them is left.
//!
//! ```text
//! review.toml: areas ──┐
//! people who decide ───┴──▶ by area: who takes it ──▶ of a case: without those who had their say ──▶ people of the area, or everybody
//! ```

use console::desk::AreaOfPeople;
use records::policy::Review;

/// Who takes which area as of now.
pub struct Areas(Vec<AreaOfPeople>);

impl Areas {
    /// Those whom the policy names, told apart by whether they decide anything.
    pub fn of(review: &Review, decides: impl Fn(&str) -> bool) -> Areas {
        let area = |(area, named): (&String, &records::policy::Area)| {
            let (people, absent) = named.people.iter().cloned().partition(|name| decides(name));
            AreaOfPeople { area: area.clone(), people, absent }
        };
        Areas(review.areas.iter().map(area).collect())
    }

    /// Whether everybody takes everything.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|area| area.people.is_empty())
    }

    /// The people who take a case of the area about which these had their say; nobody where everybody does.
    pub fn people(&self, area: &str, said: &[&str]) -> &[String] {
        let people = self.0.iter().find(|known| known.area == area).map_or(&[][..], |known| &known.people);
        if people.iter().all(|name| said.contains(&name.as_str())) { &[] } else { people }
    }

    /// All that have people of their own.
    pub fn all(self) -> Vec<AreaOfPeople> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use records::policy::Area;

    use super::*;

    #[test]
    fn a_case_is_for_the_people_of_its_area_until_none_of_them_is_left() {
        let named =
            |names: &[&str]| Area { people: names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>() };
        let areas = [("content", named(&["ann", "bob", "carol"])), ("rules", named(&["carol"]))];
        let areas: BTreeMap<String, Area> = areas.map(|(area, named)| (area.to_owned(), named)).into();
        let review = Review { areas, ..Review::default() };
        let areas = Areas::of(&review, |name| name != "carol");
        assert_eq!(areas.people("content", &[]), ["ann", "bob"]);
        assert_eq!(areas.people("content", &["bob", "dan"]), ["ann", "bob"]);
        for (area, said) in [("content", &["bob", "ann"][..]), ("rules", &[]), ("behaviour", &[])] {
            assert!(areas.people(area, said).is_empty(), "{area} {said:?}");
        }
        assert!(!areas.is_empty() && Areas::of(&review, |_| false).is_empty());
        assert_eq!(areas.all()[1].absent, ["carol"]);
    }
}
