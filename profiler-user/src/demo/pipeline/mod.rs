//! A small pipeline that does real work: lines of a web server's log become rows.
//!
//! source -> queue -> two transforms -> queue -> sink, a thread each. Owns: the flow from start to end, its totals.
//! Refuses: knowing that it may be traced. Nothing here imports the rest of the crate.

mod options;
mod pace;
mod parse;
mod queue;
mod record;
mod scan;
mod sink;
mod source;
mod traffic;
mod transform;

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, RwLock};
use std::thread::{Builder, Scope, ScopedJoinHandle, scope};
use std::time::Instant;

pub use options::Options;

use pace::Pace;
use queue::Queue;
use record::Record;
use sink::Sink;
use source::Source;
use transform::{Filters, Worked, Worker};

/// Records that one queue holds at most.
const QUEUE: usize = 256;

const WORKERS: usize = 2;

/// What became of the records of one run.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
struct Totals {
    emitted: u64,
    filtered: u64,
    /// Signs of an attack that were found.
    threats: u64,
    written: u64,
    /// Of rows and their trailers.
    bytes_written: u64,
    /// From a record's first moment to its last, mean over the written ones.
    latency_mean_ns: u64,
    seconds: f64,
    /// Emitted in each second.
    records_per_second: f64,
}

/// Runs the pipeline until standard input is closed, or as long as the options say. Writes `ready` to standard output when it
/// can be attached to, and the totals as one line of JSON at the end.
///
/// # Errors
/// When the output cannot be opened or written, or a thread cannot be started.
pub fn run(options: &Options) -> io::Result<()> {
    // Only cosmetic: the name that `ps` and `top` show.
    let _ = rustix::thread::set_name(c"demo-pipeline");
    let stop = Arc::new(AtomicBool::new(false));
    let go = watch_stdin(Arc::clone(&stop))?;
    let mut stdout = io::stdout();
    writeln!(stdout, "ready")?;
    stdout.flush()?;
    if options.wait {
        // An error is the end of standard input, which has set `stop`.
        let _ = go.recv();
    }
    let totals = flow(options, &stop)?;
    let line = serde_json::to_string(&totals).map_err(io::Error::other)?;
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Tells of a line, and sets `stop` at the end.
fn watch_stdin(stop: Arc<AtomicBool>) -> io::Result<Receiver<()>> {
    let (sender, receiver) = sync_channel(1);
    let watch = move || {
        let (mut stdin, mut bytes) = (io::stdin().lock(), [0; 256]);
        loop {
            match stdin.read(&mut bytes) {
                // Once told is enough, and nobody may be waiting for it.
                Ok(1..) => drop(sender.try_send(())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
        stop.store(true, Ordering::Relaxed);
    };
    // Not joined: it may still be reading when the pipeline has come to its end by itself.
    Builder::new().name("stdin".to_owned()).spawn(watch)?;
    Ok(receiver)
}

/// All records, from the first to the last.
fn flow(options: &Options, stop: &AtomicBool) -> io::Result<Totals> {
    let (input, output) = (Queue::<Record>::new(QUEUE, 1), Queue::<Record>::new(QUEUE, WORKERS));
    let filters = RwLock::new(Filters::default());
    let file = OpenOptions::new().create(true).append(true).open(&options.output)?;
    let started = Instant::now();
    let mut totals = scope(|threads| {
        let sink = start(threads, "sink", || Sink::new(file).run(&output, stop))?;
        let mut workers = Vec::new();
        for number in 1..=WORKERS {
            let work = || Worker::new(&filters, &output).run(&input);
            workers.push(start(threads, &format!("transform-{number}"), work)?);
        }
        let source = Source::new(&input, Pace::new(options.pace()), options.records, options.duration());
        let source = start(threads, "source", || source.run(stop))?;
        let emitted = join(source)?;
        let mut worked = Worked::default();
        for worker in workers {
            worked += join(worker)?;
        }
        let sunk = join(sink)??;
        Ok::<_, io::Error>(Totals {
            emitted,
            filtered: worked.filtered,
            threats: worked.threats,
            written: sunk.written,
            bytes_written: sunk.bytes,
            latency_mean_ns: sunk.latency_ns.checked_div(sunk.written).unwrap_or(0),
            ..Totals::default()
        })
    })?;
    totals.seconds = started.elapsed().as_secs_f64();
    totals.records_per_second = totals.emitted as f64 / totals.seconds.max(f64::MIN_POSITIVE);
    Ok(totals)
}

fn start<'s, T: Send + 's>(
    threads: &'s Scope<'s, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 's,
) -> io::Result<ScopedJoinHandle<'s, T>> {
    Builder::new().name(name.to_owned()).spawn_scoped(threads, work)
}

fn join<T>(thread: ScopedJoinHandle<'_, T>) -> io::Result<T> {
    thread.join().map_err(|_| io::Error::other("a thread of the pipeline has panicked"))
}

#[cfg(test)]
mod tests {
    use super::{AtomicBool, Options, flow};

    fn options(output: &std::path::Path) -> Options {
        Options {
            records: Some(20_000),
            seconds: None,
            per_second: std::num::NonZeroU64::MIN,
            full_speed: true,
            wait: false,
            output: output.to_owned(),
        }
    }

    #[test]
    fn every_record_is_written_or_filtered() {
        let rows = tempfile::NamedTempFile::new().unwrap();
        let totals = flow(&options(rows.path()), &AtomicBool::new(false)).unwrap();
        assert_eq!((totals.emitted, totals.filtered + totals.written), (20_000, 20_000));
        assert!((3800..4200).contains(&totals.filtered), "{totals:?}");
        assert!((10..100).contains(&totals.threats), "{totals:?}");
        let text = std::fs::read_to_string(rows.path()).unwrap();
        assert_eq!(text.len() as u64, totals.bytes_written);
        let numbers = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(',').next());
        let mut numbers: Vec<u64> = numbers.map(|number| number.unwrap().parse().unwrap()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len() as u64, totals.written, "each once");
    }

    #[test]
    fn it_stops_when_told_to() {
        let options = Options { records: None, ..options("/dev/null".as_ref()) };
        let totals = flow(&options, &AtomicBool::new(true)).unwrap();
        assert_eq!((totals.emitted, totals.written), (0, 0));
    }

    #[test]
    fn an_output_that_fails_ends_it() {
        let error = flow(&options("/dev/full".as_ref()), &AtomicBool::new(false)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }
}
