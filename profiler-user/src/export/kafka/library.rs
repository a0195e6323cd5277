//! What librdkafka says of itself, to producers and to consumers.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// The library says all that it does. What matters comes as the result of a message, and is told once.
pub(crate) fn log(facility: &str, message: &str) {
    log::debug!("librdkafka: {facility}: {message}");
}

/// What an error says of the way to the brokers, if anything.
pub(crate) fn of_the_way(error: &KafkaError, reason: &str) -> Option<String> {
    log::debug!("librdkafka: {error}: {reason}");
    (!is_all_down(error)).then(|| reason.to_owned())
}

/// That all brokers are down says less than why the last one is.
pub(crate) fn is_all_down(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown)
}
