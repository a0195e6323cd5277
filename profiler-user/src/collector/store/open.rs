//! From a URL to a store.

use std::sync::Arc;

use super::{Store, StoreError};

/// Opens the store of a URL: `sqlite:PATH`, `postgres://..`, `mysql://..`, `clickhouse+http://..`.
///
/// # Errors
/// When there is no such kind of store in this build, and whatever its own opening says.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    Err(StoreError::Place {
        place: format!("a store of the kind `{scheme}`"),
        reason: "this build has none; write sqlite:PATH, postgres://.., mysql://.. or clickhouse+http://.."
            .to_owned(),
    })
}
