//! The documents for users against the program: flags, commands, spec files, keys and links are what they say.
//!
//! Needs no privileges. Checks what can be told from the text; that output shown there is real, nobody can check for us.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use stain_tests::run::SHORT;
use stain_tests::stain;

/// One document.
struct Document {
    path: PathBuf,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document(path: PathBuf) -> Result<Document> {
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(Document { path, text })
}

/// README.md and everything in docs/.
fn documents() -> Result<Vec<Document>> {
    let mut paths = vec![root().join("README.md")];
    for entry in std::fs::read_dir(root().join("docs"))? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.into_iter().map(document).collect()
}

impl Document {
    /// The texts of the fenced blocks of a language.
    fn blocks(&self, language: &str) -> Vec<String> {
        let mut blocks = Vec::new();
        let mut open: Option<(bool, String)> = None;
        for line in self.text.lines() {
            match (line.strip_prefix("```"), open.as_mut()) {
                (Some(_), Some(_)) => {
                    blocks.extend(open.take().filter(|(wanted, _)| *wanted).map(|(_, text)| text));
                }
                (Some(opened), None) => open = Some((opened.trim() == language, String::new())),
                (None, Some((_, text))) => {
                    text.push_str(line);
                    text.push('\n');
                }
                (None, None) => {}
            }
        }
        blocks
    }

    /// The targets of its links, without those in code.
    fn links(&self) -> Vec<String> {
        let mut links = Vec::new();
        let mut code = false;
        for line in self.text.lines() {
            code ^= line.starts_with("```");
            let parts = line.split("](").skip(1).filter(|_| !code);
            links.extend(parts.filter_map(|rest| rest.split_once(')')).map(|(link, _)| link.to_owned()));
        }
        links
    }
}

/// The words of a shell line, without its comment. Knows quotes, and no more.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The arguments of the calls of `stain` in a shell block.
fn calls(block: &str) -> Vec<Vec<String>> {
    let lines = block.replace("\\\n", " ");
    let calls = lines.lines().map(words).filter_map(|mut words| {
        words.retain(|word| word != "sudo");
        let end = words.iter().position(|word| ["|", ">", "2>", "&", "&&"].contains(&word.as_str()));
        words.truncate(end.unwrap_or(words.len()));
        (words.first()? == "stain").then(|| words.split_off(1))
    });
    calls.collect()
}

fn help(command: &str) -> Result<String> {
    Ok(stain::run(&[command, "--help"], SHORT)?.stdout)
}

/// The long flags that a text names.
fn flags(text: &str) -> BTreeSet<String> {
    let part = |c: char| c.is_ascii_lowercase() || c == '-';
    let words = text.split(|c: char| !part(c)).filter(|word| word.starts_with("--") && word.len() > 3);
    words.map(str::to_owned).collect()
}

/// Flags that every command has, and that need no document.
fn is_common(flag: &str) -> bool {
    ["--help", "--version"].contains(&flag)
}

#[test]
fn every_flag_of_attach_is_documented() -> Result<()> {
    let told: BTreeSet<String> = documents()?.iter().flat_map(|document| flags(&document.text)).collect();
    let flags = flags(&help("attach")?);
    assert!(flags.contains("--spec") && flags.len() > 12, "{flags:?}");
    let missing: Vec<_> = flags.difference(&told).filter(|flag| !is_common(flag)).collect();
    assert!(missing.is_empty(), "in no document: {missing:?}");
    Ok(())
}

#[test]
fn every_flag_of_the_collector_is_documented() -> Result<()> {
    let text = document(root().join("docs/collector.md"))?.text;
    let told = flags(&text);
    for command in [&["collector"][..], &["collector", "import"], &["top"]] {
        let help = stain::run(&[command, &["--help"]].concat(), SHORT)?.stdout;
        let missing: Vec<_> =
            flags(&help).into_iter().filter(|flag| !told.contains(flag) && !is_common(flag)).collect();
        ensure!(missing.is_empty(), "{command:?}: {missing:?} are in no document");
    }
    Ok(())
}

#[test]
fn every_flag_in_the_table_exists() -> Result<()> {
    let readme = document(root().join("README.md"))?;
    let known = flags(&help("attach")?);
    let rows: Vec<_> = readme.text.lines().filter(|line| line.starts_with("| `-")).collect();
    assert!(rows.len() > 12, "{rows:?}");
    for row in rows {
        let cell = row.split('|').nth(1).unwrap_or_default();
        let unknown: Vec<_> = flags(cell).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{unknown:?} of {row}");
    }
    Ok(())
}

#[test]
fn every_command_in_the_readme_parses() -> Result<()> {
    let readme = document(root().join("README.md"))?;
    let calls: Vec<_> = readme.blocks("sh").iter().flat_map(|block| calls(block)).collect();
    assert!(calls.len() > 5, "{calls:?}");
    for call in calls {
        // Help is given only where everything before it is right.
        let mut arguments: Vec<String> = call.iter().map(|word| word.replace("$PID", "1")).collect();
        arguments.push("--help".to_owned());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ended = stain::run(&arguments, SHORT)?;
        ensure!(ended.status.success(), "stain {}: {}", call.join(" "), ended.stderr);
    }
    Ok(())
}

#[test]
fn every_spec_in_the_documents_is_good() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut seen = 0;
    for document in documents()? {
        let blocks = document.blocks("toml").into_iter().filter(|block| block.contains("[[stage]]"));
        for (number, block) in blocks.enumerate() {
            let file = folder.path().join(format!("{number}.toml"));
            std::fs::write(&file, &block)?;
            let ended = stain::run(&["spec", file.to_str().context("an odd path")?], SHORT)?;
            let is_good = !block.starts_with("# not a good spec");
            // One without a target is good with a --pid.
            let lacks_target = ended.stderr.lines().all(|line| line.contains("what to attach to"));
            let loads = ended.status.success() || (!block.contains("[target]") && lacks_target);
            ensure!(loads == is_good, "{}:\n{block}\n{}", document.path.display(), ended.stderr);
            if !is_good {
                assert_shown(&document, &ended.stderr, &file)?;
            }
            seen += 1;
        }
    }
    assert!(seen >= 3, "only {seen} specs found");
    Ok(())
}

/// The mistakes of a bad spec are shown as they are.
fn assert_shown(document: &Document, stderr: &str, file: &Path) -> Result<()> {
    let shown = stderr.replace(&file.display().to_string(), "bad.toml");
    ensure!(document.text.contains(shown.trim()), "{} does not show:\n{shown}", document.path.display());
    Ok(())
}

#[test]
fn the_tables_of_the_spec_list_its_keys() -> Result<()> {
    let spec = document(root().join("docs/spec.md"))?;
    for (table, header) in
        [("target", "[target]"), ("sampling", "[sampling]"), ("space", "[[space]]"), ("stage", "[[stage]]")]
    {
        let known = known_keys(header)?;
        let section = spec.text.split("\n## ").find(|section| section.starts_with(&format!("`{header}`")));
        let section = section.with_context(|| format!("no section for {table}"))?;
        let section = section.split("\n### ").next().unwrap_or_default();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let told: BTreeSet<String> = rows.map(|(key, _)| key.to_owned()).collect();
        assert_eq!(told, known, "{table}");
    }
    Ok(())
}

/// What the spec reader says that a table may hold, when it finds something else there.
fn known_keys(header: &str) -> Result<BTreeSet<String>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("spec.toml");
    std::fs::write(&file, format!("{header}\nqqqqqqqq = 1\n"))?;
    let ended = stain::run(&["spec", file.to_str().context("an odd path")?], SHORT)?;
    let line = ended.stderr.lines().find_map(|line| line.split_once("the keys are "));
    let (_, keys) = line.with_context(|| ended.stderr.clone())?;
    Ok(keys.split(", ").map(str::to_owned).collect())
}

#[test]
fn every_relative_link_leads_to_a_file() -> Result<()> {
    let mut broken = Vec::new();
    for document in documents()? {
        let folder = document.path.parent().context("no folder")?;
        for link in document.links() {
            let file = link.split('#').next().unwrap_or_default();
            if !link.contains("://") && !file.is_empty() && !folder.join(file).exists() {
                broken.push(format!("{}: {link}", document.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}

#[test]
fn every_link_within_the_readme_leads_to_a_heading() -> Result<()> {
    let readme = document(root().join("README.md"))?;
    let headings = readme.text.lines().filter_map(|line| line.strip_prefix("## "));
    let anchors: BTreeSet<String> = headings.map(anchor).collect();
    for link in readme.links() {
        if let Some(name) = link.strip_prefix('#') {
            assert!(anchors.contains(name), "{name} is none of {anchors:?}");
        }
    }
    Ok(())
}

/// What a heading is called in links, as the common renderers make it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}
