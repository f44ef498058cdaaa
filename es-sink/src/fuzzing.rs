//! What must hold for any input of this crate's decoders; see `schema::fuzzing`.

pub use crate::bulk::fuzzing::BULK_RESPONSE;

#[cfg(test)]
mod tests {
    use schema::fuzzing::replay::replay;

    #[test]
    fn bulk_response_holds_for_seeds_and_their_mutations() {
        replay(&super::BULK_RESPONSE);
    }
}
