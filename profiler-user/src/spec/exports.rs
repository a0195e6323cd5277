//! `[[export]]` tables: where traces go besides the report.

use toml::de::DeValue;

use super::locus::{At, Mistakes};
use super::reader::{Reader, kind};
use crate::export::settings::Settings;

/// Exports of one spec at most.
pub const MAX_EXPORTS: usize = 32;

/// Reads the tables of a file.
pub(super) fn read(root: &mut Reader<'_, '_>) -> Vec<At<String>> {
    let Some((locus, value)) = root.value("export") else { return Vec::new() };
    let DeValue::Array(items) = value else {
        let found = kind(value);
        let message = format!("exports are a list, and this is {found}; write [[export]], with two brackets");
        root.mistakes.wrong(&locus, message);
        return Vec::new();
    };
    if items.len() > MAX_EXPORTS {
        let message = format!("there are {} exports, and a spec has at most {MAX_EXPORTS}", items.len());
        root.mistakes.wrong(&locus, message);
        return Vec::new();
    }
    let mut urls = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let locus = root.lines.locus(&item.span(), format!("export[{index}]"));
        let Some(table) = item.get_ref().as_table() else {
            let _: Option<()> = root.wrong_type(&locus, item.get_ref(), "a table", "[[export]]");
            continue;
        };
        let mut table = Reader { lines: root.lines, table, locus, mistakes: root.mistakes };
        table.refuse_unknown_keys("export");
        urls.extend(table.required("url", r#"url = "otlp+grpc://127.0.0.1:4317""#));
    }
    urls
}

/// Checks the URLs, which are what `--export` takes.
pub(super) fn check(urls: Vec<At<String>>, mistakes: &mut Mistakes) -> Vec<String> {
    let mut good = Vec::new();
    for At { value, locus } in urls {
        match Settings::parse(&value) {
            Ok(_) => good.push(value),
            Err(error) => mistakes.wrong(&locus, error.to_string()),
        }
    }
    good
}

#[cfg(test)]
mod tests {
    use crate::spec::{Overrides, load};

    const REST: &str = "[target]\npid = 1\n[[stage]]\ncode = \"S0\"\npoint = \"f\"\nkey = \"arg0\"\n\
                        [[stage]]\ncode = \"W!\"\npoint = \"g\"\nkey = \"arg0\"\n";

    fn exports(text: &str) -> Result<Vec<String>, String> {
        let text = format!("{REST}{text}");
        load(Some(("x.toml", &text)), &Overrides::default())
            .map(|spec| spec.exports)
            .map_err(|errors| errors.to_string())
    }

    #[test]
    fn exports_are_urls() {
        assert_eq!(exports(""), Ok(Vec::new()));
        let text = "[[export]]\nurl = \"file:/x\"\n[[export]]\nurl = \"prometheus://127.0.0.1\"\n";
        assert_eq!(exports(text), Ok(vec!["file:/x".to_owned(), "prometheus://127.0.0.1".to_owned()]));
    }

    #[test]
    fn mistakes_have_their_places() {
        for (text, error) in [
            ("[[export]]\nurl = \"ftp://x\"", "x.toml:12:7: export[0].url: there is no export to `ftp:`"),
            ("[export]\nurl = \"file:x\"", "x.toml:11:1: export: exports are a list"),
            ("[[export]]\n", "export[0].url: `url` is missing"),
            ("[[export]]\nurl = 1", "x.toml:12:7: export[0].url: a whole number stands where"),
            ("[[export]]\nurl = \"file:x\"\nto = 1", "there is no key `to` here"),
        ] {
            let found = exports(text).unwrap_err();
            assert!(found.contains(error), "{text}: {found}");
        }
    }
}
