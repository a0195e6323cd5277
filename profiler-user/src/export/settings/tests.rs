//! URLs and what they mean.

use std::time::Duration;

use super::{Destination, FileFormat, Settings, Spooling, TokenHeader, TokenSource};
use crate::sink::event::PayloadVersion;

fn error(url: &str) -> String {
    Settings::parse(url).unwrap_err().to_string()
}

#[test]
fn defaults_are_filled_in() {
    let Destination::Events(endpoint, events, delivery) =
        Settings::parse("http://h/ingest").unwrap().destination
    else {
        panic!()
    };
    assert_eq!((endpoint.host.as_str(), endpoint.port, endpoint.path.as_str()), ("h", 80, "/ingest"));
    assert_eq!((endpoint.tls, endpoint.token, endpoint.timeout), (None, None, Duration::from_secs(10)));
    assert_eq!((events.payload, events.packets, events.job), (PayloadVersion::Millis, true, None));
    assert_eq!((delivery.batch, delivery.linger), (512, Duration::from_secs(1)));
    assert_eq!((delivery.spool, delivery.spool_max), (Spooling::Default, 256 << 20));
    let Destination::File(file) = Settings::parse("file:out").unwrap().destination else { panic!() };
    assert_eq!((file.format, file.rotate_size, file.keep), (FileFormat::JsonLines, 64 << 20, None));
    for (url, port, grpc, tls) in [
        ("otlp+grpc://h", 4317, true, false),
        ("otlp+grpcs://h", 4317, true, true),
        ("otlp+http://h", 4318, false, false),
        ("otlp+https://h:1", 1, false, true),
    ] {
        let Destination::Otlp(endpoint, otlp, _) = Settings::parse(url).unwrap().destination else {
            panic!()
        };
        assert_eq!((endpoint.port, otlp.grpc, endpoint.tls.is_some()), (port, grpc, tls), "{url}");
    }
    let Destination::Prometheus(prometheus) = Settings::parse("prometheus://[::1]").unwrap().destination
    else {
        panic!()
    };
    assert_eq!(prometheus.address, "[::1]:9464");
    let Destination::Kafka(kafka, _) = Settings::parse("kafka://a:1,b:2/traces").unwrap().destination else {
        panic!()
    };
    assert_eq!(
        (kafka.brokers.as_str(), kafka.topic.as_str(), kafka.compression),
        ("a:1,b:2", "traces", "lz4")
    );
    let Destination::Graphite(graphite) = Settings::parse("graphite://h").unwrap().destination else {
        panic!()
    };
    assert_eq!((graphite.port, graphite.prefix.as_str()), (2003, "stain"));
}

#[test]
fn every_option_is_taken() {
    let url = "https://h/ingest?token_file=/t&auth=bearer&ca=/ca&cert=/c&key=/k&timeout=2s&job=7&table=db.t&payload=nano\
               &packets=no&batch=10&linger=100ms&spool=/s&spool_max=1MiB&flush=1s&beacon=3s";
    let settings = Settings::parse(url).unwrap();
    assert_eq!(settings.name, "https://h/ingest?payload=nano&job=7&table=db.t");
    assert_eq!(settings.place, "https://h/ingest");
    let Destination::Events(endpoint, events, delivery) = settings.destination else { panic!() };
    let tls = endpoint.tls.unwrap();
    assert_eq!((tls.ca, tls.own), (Some("/ca".into()), Some(("/c".into(), "/k".into()))));
    assert_eq!(endpoint.token, Some((TokenSource::File("/t".into()), TokenHeader::Bearer)));
    assert_eq!(
        (events.job.as_deref(), events.table.as_deref(), events.packets),
        (Some("7"), Some("db.t"), false)
    );
    assert_eq!(delivery.spool, Spooling::Folder("/s".into()));
    assert_eq!((delivery.batch, delivery.spool_max, delivery.beacon), (10, 1 << 20, Duration::from_secs(3)));
    let url = "file:/d?format=ctf&rotate_size=4KiB&rotate_age=1m&keep=3&job=1&table=t";
    let Destination::File(file) = Settings::parse(url).unwrap().destination else { panic!() };
    assert_eq!((file.format, file.rotate_size, file.keep), (FileFormat::Ctf, 4096, Some(3)));
}

#[test]
fn a_name_says_what_goes_where() {
    for (url, name) in [
        ("file:/d?keep=3&format=ctf", "file:/d?format=ctf"),
        ("file:/d", "file:/d"),
        ("kafka://a:1,b:2/t?value=sttr&flush=1s", "kafka://a:1,b:2/t?value=sttr"),
        ("kafka://[::1],[::2]:1/t", "kafka://[::1],[::2]:1/t"),
        ("http://h/a%2Fb%20c?token_file=/t", "http://h/a%2Fb%20c"),
    ] {
        assert_eq!(Settings::parse(url).unwrap().name, name);
    }
    let Destination::Kafka(kafka, _) = Settings::parse("kafka://[::1],b,[::2]:1/t").unwrap().destination
    else {
        panic!()
    };
    assert_eq!(kafka.brokers, "[::1]:9092,b:9092,[::2]:1");
}

#[test]
fn a_path_is_sent_as_it_was_given() {
    let path = |url: &str| match Settings::parse(url).unwrap().destination {
        Destination::Events(endpoint, ..) => endpoint.path,
        other => panic!("{other:?}"),
    };
    assert_eq!(path("http://h/a%2Fb/in%20gest"), "/a%2Fb/in%20gest");
    assert_eq!(path("http://h/a b\u{e4}"), "/a%20b%C3%A4");
}

#[test]
fn mistakes_are_one_clear_sentence() {
    for (url, part) in [
        ("ftp://h", "there is no export to `ftp:`"),
        ("http://h/?bach=1", "http has no option `bach`; it has token_file, token_env, auth,"),
        ("prometheus://h?x=1", "prometheus has no option `x`; it has public"),
        ("http://h/?batch=0", "batch: `0` is not a number from 1 to 100000"),
        ("http://h/?linger=fast", "linger: `fast` is not a time from 0ns to 30d"),
        ("http://h/?spool_max=1kb", "spool_max: `1kb` is not a size from"),
        ("http://h/?payload=2", "payload: `2` is not one of v1, nano"),
        ("http://h/?job=x", "job: `x` is not a number from 0 to 2^63-1"),
        ("http://h/?ca=/x", "use https"),
        ("https://h/?cert=/x", "cert and key belong together"),
        ("http://h/?token_file=/a&token_env=B", "exclude each other"),
        ("graphite://h?prefix=a%20b", "a prefix has letters"),
        ("file:", "name the folder"),
        ("kafka://b:9092", "name the topic"),
        ("kafkas://b:9092/t", "there is no TLS and no login to Kafka"),
        ("kafka://b:9092/t?ca=/x", "there is no TLS and no login to Kafka"),
        ("kafka://b:9092/t?compression=zip", "compression: `zip` is not one of none, lz4, snappy"),
        ("http://me:secret@h/", "a password in a URL shows"),
        ("http://a,b/", "only kafka:// takes several"),
    ] {
        let error = error(url);
        assert!(error.contains(part), "{url}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
