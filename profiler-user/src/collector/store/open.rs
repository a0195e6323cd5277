//! From a URL to a store.

use std::path::Path;
use std::sync::Arc;

use super::sqlite::SqliteStore;
use super::{Store, StoreError};

/// Opens the store of a URL: `sqlite:PATH` (or `sqlite://PATH`), `postgres://..`, `mysql://..`, `clickhouse+http://..`.
///
/// # Errors
/// When there is no such kind of store in this build, and whatever its own opening says.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    match scheme {
        "sqlite" => Ok(Arc::new(SqliteStore::open(file(rest)?).await?)),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(Arc::new(super::postgres::open(url).await?)),
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => Ok(Arc::new(super::mysql::open(url).await?)),
        #[cfg(feature = "clickhouse")]
        "clickhouse" | "clickhouse+http" | "clickhouse+https" => {
            Ok(Arc::new(super::clickhouse::open(url).await?))
        }
        // Shown without what follows: it may hold a password.
        _ => Err(StoreError::Place {
            place: format!("a store of the kind `{scheme}`"),
            reason:
                "this build has none; write sqlite:PATH, postgres://.., mysql://.. or clickhouse+http://.."
                    .to_owned(),
        }),
    }
}

/// `sqlite:PATH` and `sqlite:///PATH` are both common.
fn file(rest: &str) -> Result<&Path, StoreError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() {
        let reason = "it names no file; write it as in sqlite:/var/lib/stain/collector.db".to_owned();
        return Err(StoreError::Place { place: "the SQLite store".to_owned(), reason });
    }
    Ok(Path::new(path))
}

#[cfg(test)]
mod tests {
    use super::open;

    #[tokio::test]
    async fn a_url_names_its_store() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("traces.db");
        for (number, form) in ["sqlite:", "sqlite://"].into_iter().enumerate() {
            let store = open(&format!("{form}{}{number}", path.display())).await.unwrap();
            assert_eq!(store.kind(), "sqlite");
        }
        for (url, told) in
            [("oracle://user:s3cret@h/db", "`oracle`"), ("sqlite:", "names no file"), ("nothing", "``")]
        {
            let error = open(url).await.err().unwrap().to_string();
            assert!(error.contains(told) && !error.contains("s3cret"), "{error}");
        }
    }
}
