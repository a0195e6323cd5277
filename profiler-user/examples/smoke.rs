//! scratch
use profiler_common::*;
use profiler_user::attach::*;
use profiler_user::plan::*;
use profiler_user::symbol::FileOffset;
use std::io::{BufRead, BufReader, Write};
fn main() {
    println!("{:?} {:?}", multi_support(), Grace::detect());
    let n: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let rate: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let p = "/tmp/w/t/pipe";
    let mut child = std::process::Command::new(p)
        .arg(n.to_string())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let mut key = Value::of(Base::Register(7));
    if std::env::args().nth(3).is_some() {
        key = key.then(Step { offset: 8, width: 8, ..Default::default() }).unwrap();
    }
    let spec = |role: Role| ProbeSpec {
        role: role as u8,
        outcome: Outcome::Written as u8,
        key: KeyRecipe::value(key),
        ..Default::default()
    };
    let probes = vec![spec(Role::Start), spec(Role::Stamp), spec(Role::Finish)];
    let sites: Vec<Site> = [0x1240u64, 0x1250, 0x1260]
        .iter()
        .enumerate()
        .map(|(i, o)| Site {
            probe: i as u32,
            stage: i,
            path: p.into(),
            file: p.into(),
            symbol: String::new(),
            function: String::new(),
            function_offset: 0,
            offset: FileOffset(*o),
            trap: Trap::Instruction,
            instruction: String::new(),
            class: Class::Emulated,
            notes: vec![],
            spec: probes[i],
        })
        .collect();
    let off = wall_offset_ns();
    let config = Config {
        rate,
        wall_offset_ns: off,
        window_phase_ns: off % 1_000_000_000,
        sequence: 0,
        budget: 0,
        max_entries: 32,
        slots: 4096,
        ..Default::default()
    };
    let mut k = match Kernel::load(&Settings {
        config,
        probes,
        log_level: 0,
        backend: None,
        watches: Watches::ExitsAndNew,
    }) {
        Ok(k) => k,
        Err(e) => {
            println!("{e}");
            std::process::exit(1)
        }
    };
    for (i, p) in probes.iter().enumerate() {
        k.set_probe(i as u32, p).unwrap();
    }
    let links = k.attach(child.id(), 1, &sites).unwrap();
    println!("attached {}", links.probes());
    let t = std::time::Instant::now();
    child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    let grace = Grace::detect();
    let mut done = 0;
    let mut notices = 0;
    let mut entries = Vec::new();
    let mut last = None;
    let h = std::thread::spawn(move || {
        let mut l = String::new();
        out.read_line(&mut l).unwrap();
    });
    loop {
        std::thread::sleep(std::time::Duration::from_millis(20));
        let fin = h.is_finished();
        let mut hs = vec![];
        k.drain_notices(|kind, v| {
            if kind == NoticeKind::Finished {
                hs.push(Handle(v))
            }
        });
        notices += hs.len();
        if !hs.is_empty() {
            let g = std::time::Instant::now();
            grace.wait();
            if done < 2000 {
                println!("grace {:?} for {}", g.elapsed(), hs.len());
            }
        }
        for x in &hs {
            let hd = k.shared().view(x.slot(), &mut entries).unwrap();
            assert_eq!(hd.handle, x.0);
            done += 1;
            last = Some((hd, entries[0], entries[1], entries[31]));
            k.shared().release(*x);
        }
        if fin && hs.is_empty() {
            break;
        }
    }
    println!("{:?} per record {:?}", t.elapsed(), t.elapsed() / n as u32);
    drop(links);
    println!("{last:?}");
    println!("done {done} notices {notices} {:?}\n{:?}", k.counters().unwrap(), k.probe_counts().unwrap());
    child.kill().unwrap();
}
