//! What tables and columns mean: read from the page that people read, so that the two cannot differ.

use std::collections::HashMap;

/// The contract of the tables.
const PAGE: &str = include_str!("../../../docs/TABLES.md");
/// What stands in front of the columns of only some window views.
const OF_ACCOUNTS: &str = "In `account_window` besides";
const OF_OTHERS: &str = "In the other five besides";
const WINDOWS: &str = "The window tables";

/// What tables and columns mean.
#[derive(Default)]
pub struct Glossary {
    tables: HashMap<String, String>,
    columns: HashMap<(String, String), String>,
}

impl Glossary {
    /// Reads the page: of each section about a table the first paragraph, and the rows that define columns.
    pub fn read() -> Glossary {
        let mut glossary = Glossary::default();
        for section in PAGE.split("\n### ").skip(1) {
            let section = section.split("\n## ").next().unwrap_or(section);
            let (title, text) = section.split_once('\n').unwrap_or((section, ""));
            let paragraphs = text.split("\n\n").map(str::trim).filter(|part| !part.is_empty());
            let names = if title == WINDOWS { windows() } else { titled(title) };
            let mut lead = "";
            let mut is_first = true;
            for part in paragraphs {
                if part.starts_with('|') {
                    glossary.define(&names, lead, part);
                } else {
                    lead = part;
                    if std::mem::take(&mut is_first) {
                        names.iter().for_each(|name| drop(glossary.tables.insert(name.clone(), plain(part))));
                    }
                }
            }
        }
        let as_of = "The instant as of which everything is stated, in one row.";
        glossary.tables.insert("as_of".to_owned(), as_of.to_owned());
        glossary
    }

    fn define(&mut self, names: &[String], lead: &str, rows: &str) {
        for row in rows.lines().skip(2) {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let (Some(columns), Some(meaning)) = (cells.first(), cells.last()) else { continue };
            for name in names {
                let is_of_accounts = name == "account_window";
                if (lead.starts_with(OF_ACCOUNTS) && !is_of_accounts) || (lead.starts_with(OF_OTHERS) && is_of_accounts)
                {
                    continue;
                }
                for column in columns.split(", ") {
                    self.columns.insert((name.clone(), plain(column)), plain(meaning));
                }
            }
        }
    }

    /// What a row of the table means; empty where the page does not say.
    pub fn table(&self, name: &str) -> String {
        self.tables.get(name).cloned().unwrap_or_default()
    }

    /// What the column means; empty where the page does not say.
    pub fn column(&self, table: &str, column: &str) -> String {
        if column == "as_of" {
            return "the instant as of which the row is stated".to_owned();
        }
        self.columns.get(&(table.to_owned(), column.to_owned())).cloned().unwrap_or_default()
    }
}

fn windows() -> Vec<String> {
    ["account", "track", "artist", "uploader", "playlist", "distributor"].map(|axis| format!("{axis}_window")).into()
}

/// The tables of a title such as `account_group (as_of, …) and hubs (as_of, …)`.
fn titled(title: &str) -> Vec<String> {
    let name = |part: &str| part.split([' ', ':']).next().unwrap_or_default().to_owned();
    title.split(" and ").map(name).collect()
}

/// The text without the marks of its markup, in one line.
fn plain(text: &str) -> String {
    text.replace(['`', '*'], "").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::Glossary;

    #[test]
    fn the_page_says_what_tables_and_columns_mean() {
        let glossary = Glossary::read();
        assert!(glossary.table("account_window").starts_with("One row per T, window and key"));
        assert!(glossary.table("lockstep").contains("A moment is a track_id"));
        assert_eq!(glossary.column("account_window", "payable"), "those with played_ms >= 30 000");
        assert_eq!(glossary.column("account_window", "asns"), "distinct values, nulls left out");
        assert_eq!(glossary.column("track_window", "listeners"), "distinct account_id");
        assert_eq!(glossary.column("track_window", "asns"), "");
        assert_eq!(glossary.column("account_window", "listeners"), "");
        assert_eq!(glossary.column("risk", "rb"), "what the plays say");
    }
}
