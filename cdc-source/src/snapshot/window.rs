//! Which rows of a chunk are out of date when it is emitted.

use std::collections::HashSet;

use schema::table::TableId;

/// Most keys that a window remembers. Beyond that its chunk is read again: 100,000 changes during
/// one SELECT of a few thousand rows mean that the SELECT was stalled.
const TOUCHED_MAX: usize = 100_000;

/// The keys that the stream has touched since a chunk's window opened.
#[derive(Debug)]
pub(crate) struct Window {
    table: TableId,
    touched: HashSet<Box<[u8]>>,
    is_void: bool,
}

impl Window {
    pub(crate) fn new(table: TableId) -> Self {
        Self { table, touched: HashSet::new(), is_void: false }
    }

    /// The table whose keys are recorded.
    pub(crate) fn table(&self) -> &TableId {
        &self.table
    }

    /// The stream has emitted a change of the row with this key. Without a key, any row of the
    /// chunk may be the one.
    pub(crate) fn touch(&mut self, key: &[u8]) {
        if key.is_empty() || self.touched.len() >= TOUCHED_MAX {
            return self.void();
        }
        if !self.touched.contains(key) {
            self.touched.insert(key.into());
        }
    }

    /// The table has changed as a whole: nothing of the chunk is good.
    pub(crate) fn void(&mut self) {
        self.is_void = true;
        self.touched = HashSet::new();
    }

    pub(crate) fn is_void(&self) -> bool {
        self.is_void
    }

    /// Whether a row of the chunk with this key is still to be emitted.
    pub(crate) fn keeps(&self, key: &[u8]) -> bool {
        !self.touched.contains(key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    /// A server whose log is sent before the engine commits: changes are logged in order, and
    /// become visible to a SELECT later, in order too.
    struct Server {
        log: Vec<(u8, Option<u32>)>,
        visible: usize,
    }

    impl Server {
        fn select(&self) -> BTreeMap<u8, u32> {
            let mut table = BTreeMap::new();
            for (key, value) in &self.log[..self.visible] {
                match value {
                    Some(value) => table.insert(*key, *value),
                    None => table.remove(key),
                };
            }
            table
        }
    }

    #[derive(Debug, Clone)]
    enum Move {
        Log(u8, Option<u32>),
        Commit,
        Stream,
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let key = 0_u8..4;
        prop::collection::vec(
            prop_oneof![
                (key, prop::option::of(any::<u32>())).prop_map(|(k, v)| Move::Log(k, v)),
                Just(Move::Commit),
                Just(Move::Stream),
            ],
            0..30,
        )
    }

    proptest! {
        /// Whatever is logged, committed and streamed before, between and after the steps of a
        /// chunk: in the end the index is the table.
        #[test]
        fn chunk_and_log_make_the_table(
            before in moves(), until_select in moves(), until_high in moves(), until_close in moves(),
        ) {
            let mut server = Server { log: vec![], visible: 0 };
            let mut streamed = 0;
            let mut index: BTreeMap<u8, u32> = BTreeMap::new();
            let mut window: Option<Window> = None;
            let run = |moves: &[Move], server: &mut Server, streamed: &mut usize,
                           index: &mut BTreeMap<u8, u32>, window: &mut Option<Window>| {
                for step in moves {
                    match step {
                        Move::Log(key, value) => server.log.push((*key, *value)),
                        Move::Commit => server.visible = server.log.len().min(server.visible + 1),
                        Move::Stream if *streamed < server.log.len() => {
                            let (key, value) = server.log[*streamed];
                            *streamed += 1;
                            match value {
                                Some(value) => index.insert(key, value),
                                None => index.remove(&key),
                            };
                            if let Some(window) = window {
                                window.touch(&[key]);
                            }
                        }
                        Move::Stream => {}
                    }
                }
            };

            // Changes that were streamed before this connector existed are not in its index.
            run(&before, &mut server, &mut streamed, &mut index, &mut window);
            index.clear();
            window = Some(Window::new(TableId::new("d", "t")));
            server.visible = server.visible.max(streamed);
            run(&until_select, &mut server, &mut streamed, &mut index, &mut window);
            let chunk = server.select();
            run(&until_high, &mut server, &mut streamed, &mut index, &mut window);
            let high = server.log.len();
            run(&until_close, &mut server, &mut streamed, &mut index, &mut window);
            let rest = vec![Move::Stream; high.saturating_sub(streamed)];
            run(&rest, &mut server, &mut streamed, &mut index, &mut window);
            let closed = window.take().unwrap();
            for (key, value) in chunk {
                if closed.keeps(&[key]) {
                    index.insert(key, value);
                }
            }
            let rest = vec![Move::Stream; server.log.len() - streamed];
            run(&rest, &mut server, &mut streamed, &mut index, &mut window);

            server.visible = server.log.len();
            prop_assert_eq!(index, server.select());
        }
    }

    #[test]
    fn a_change_without_a_key_voids_the_window() {
        let mut window = Window::new(TableId::new("d", "t"));
        assert!(window.keeps(&[]));

        window.touch(&[]);

        assert!(window.is_void());
    }

    #[test]
    fn too_many_changes_void_the_window() {
        let mut window = Window::new(TableId::new("d", "t"));

        (0..=u32::try_from(TOUCHED_MAX).unwrap()).for_each(|n| window.touch(&n.to_le_bytes()));

        assert!(window.is_void());
    }
}
