//! Who visits the web server: people, now and then with an upload or in bad faith, robots, and health checks.
//! The same visits in every run.

use super::record::Record;

const PAGES: [&str; 8] = [
    "/",
    "/search?q=winter%20coat",
    "/product/4711",
    "/cart",
    "/checkout?step=2&coupon=%41%42%43",
    "/account/orders",
    "/static/app.js",
    "/product/1138?ref=mail",
];
const ATTACK: &str = "/search?q=%27%20UNION%20SELECT%20secret%20FROM%20users";
const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Safari/604.1",
];
const ROBOTS: [&str; 2] =
    ["Mozilla/5.0 (compatible; examplebot/2.1)", "newscrawler/1.0 (+http://example.org/bot)"];
const STATUS: [u16; 6] = [200, 200, 200, 304, 404, 500];
const WORDS: [&str; 6] = ["invoice ", "select ", "shipping ", "union ", "address ", "total <b> "];

/// Bytes of a request's headers, and of an upload: so large that to scan one takes much longer than anything else.
const SMALL: usize = 600;
const UPLOAD: usize = 16 * 1024;

/// Bytes of the text that contents are cut from.
const TEXT: usize = 4 * UPLOAD;

/// A generator of visits.
#[derive(Debug)]
pub(super) struct Traffic {
    random: u64,
    text: Vec<u8>,
}

impl Traffic {
    pub(super) fn new() -> Self {
        let mut traffic = Self { random: 0x9E37_79B9_7F4A_7C15, text: Vec::new() };
        while traffic.text.len() < TEXT {
            let word = traffic.pick(&WORDS);
            traffic.text.extend_from_slice(word.as_bytes());
        }
        traffic
    }

    /// The next visit.
    pub(super) fn next(&mut self) -> Box<Record> {
        let (page, agent) = (self.pick(&PAGES), self.pick(&AGENTS));
        match self.below(1000) {
            0..120 => self.visit("GET", "/health", "kube-probe/1.34", SMALL),
            120..200 => self.visit("GET", page, self.peek(&ROBOTS), SMALL),
            200..220 => self.visit("POST", "/upload", agent, UPLOAD),
            220..222 => self.visit("GET", ATTACK, agent, SMALL),
            _ => self.visit("GET", page, agent, SMALL),
        }
    }

    fn visit(&mut self, method: &str, path: &str, agent: &str, content: usize) -> Box<Record> {
        let (a, b, second) = (self.below(256), self.below(256), self.below(60));
        let (status, bytes) = (self.pick(&STATUS), self.below(20_000));
        let line = format!(
            "198.51.{a}.{b} - - [20/Nov/2026:10:00:{second:02} +0000] \"{method} {path} HTTP/1.1\" {status} {bytes} \"-\" \"{agent}\""
        );
        Record::new(line, self.content(content))
    }

    fn content(&mut self, bytes: usize) -> Vec<u8> {
        let start = self.below((TEXT - UPLOAD) as u64) as usize;
        self.text.get(start..start + bytes).unwrap_or_default().to_vec()
    }

    fn below(&mut self, limit: u64) -> u64 {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit.max(1)
    }

    fn pick<T: Copy + Default>(&mut self, of: &[T]) -> T {
        let index = self.below(of.len() as u64) as usize;
        of.get(index).copied().unwrap_or_default()
    }

    /// As `pick`, by the last number drawn.
    fn peek(&self, of: &[&'static str]) -> &'static str {
        of.get((self.random >> 40) as usize % of.len().max(1)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Traffic, UPLOAD};

    #[test]
    fn visits_are_the_same_in_every_run_and_of_all_kinds() {
        let lines = || {
            let mut traffic = Traffic::new();
            (0..10_000)
                .map(|_| traffic.next())
                .map(|record| (record.line, record.body.len()))
                .collect::<Vec<_>>()
        };
        let all = lines();
        assert_eq!(all, lines());
        let share = |wanted: fn(&(String, usize)) -> bool| all.iter().filter(|line| wanted(line)).count();
        assert!((1100..1300).contains(&share(|(line, _)| line.contains("/health"))));
        assert!((700..900).contains(&share(|(line, _)| line.contains("bot"))));
        assert!((150..250).contains(&share(|(_, body)| *body == UPLOAD)));
    }
}
