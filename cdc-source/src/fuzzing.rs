//! What must hold for any input of this crate's decoders; see `schema::fuzzing`.

pub use crate::binlog::fuzzing::{BINLOG_EVENT, PAYLOAD, ROW_IMAGES, TABLE_MAP};
pub use crate::ddl::fuzzing::DDL;
pub use crate::history::fuzzing::HISTORY;
pub use crate::snapshot::fuzzing::SELECTED_ROW;
pub use crate::wire::fuzzing::{HANDSHAKE, PACKET};

#[cfg(test)]
mod tests {
    use schema::fuzzing::replay::replay;

    #[test]
    fn row_images_holds_for_seeds_and_their_mutations() {
        replay(&super::ROW_IMAGES);
    }

    #[test]
    fn table_map_holds_for_seeds_and_their_mutations() {
        replay(&super::TABLE_MAP);
    }

    #[test]
    fn binlog_event_holds_for_seeds_and_their_mutations() {
        replay(&super::BINLOG_EVENT);
    }

    #[test]
    fn payload_holds_for_seeds_and_their_mutations() {
        replay(&super::PAYLOAD);
    }

    #[test]
    fn packet_holds_for_seeds_and_their_mutations() {
        replay(&super::PACKET);
    }

    #[test]
    fn handshake_holds_for_seeds_and_their_mutations() {
        replay(&super::HANDSHAKE);
    }

    #[test]
    fn selected_row_holds_for_seeds_and_their_mutations() {
        replay(&super::SELECTED_ROW);
    }

    #[test]
    fn ddl_holds_for_seeds_and_their_mutations() {
        replay(&super::DDL);
    }

    #[test]
    fn history_holds_for_seeds_and_their_mutations() {
        replay(&super::HISTORY);
    }
}
