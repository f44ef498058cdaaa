//! Which rows of a chunk are out of date when it is emitted.

use std::collections::HashSet;

/// Most touched keys that a window remembers while its chunk is read. Beyond, the chunk is read
/// again: more has changed meanwhile than it has rows.
const TOUCHED_MAX: usize = 100_000;

/// The time from before a chunk is read until it is emitted.
#[derive(Debug)]
pub(crate) struct Window {
    keys: Keys,
    is_void: bool,
}

/// Every key that the stream touches is remembered, and mostly there is none. When they are more than
/// the rows, those of the rows are remembered in their place, so that a window can stay open however
/// far behind the stream is.
#[derive(Debug)]
enum Keys {
    Touched(HashSet<Box<[u8]>>),
    Kept(HashSet<Box<[u8]>>),
}

impl Default for Window {
    fn default() -> Self {
        Self { keys: Keys::Touched(HashSet::new()), is_void: false }
    }
}

impl Window {
    /// A row of this identity was changed by the stream: what the chunk says of it is out of date.
    /// A row without one voids the chunk.
    pub(crate) fn touch(&mut self, key: &[u8]) {
        if key.is_empty() {
            return self.void();
        }
        match &mut self.keys {
            Keys::Kept(kept) => {
                kept.remove(key);
            }
            Keys::Touched(touched) if touched.len() >= TOUCHED_MAX => self.void(),
            Keys::Touched(touched) => {
                if !touched.contains(key) {
                    touched.insert(key.into());
                }
            }
        }
    }

    /// The chunk does not count: it has to be read again.
    pub(crate) fn void(&mut self) {
        self.is_void = true;
        self.keys = Keys::Kept(HashSet::new());
    }

    pub(crate) fn is_void(&self) -> bool {
        self.is_void
    }

    /// Whether more keys are touched than there are rows: then it is to be told which ones they have.
    pub(super) fn is_crowded(&self, rows: usize) -> bool {
        matches!(&self.keys, Keys::Touched(touched) if touched.len() > rows)
    }

    /// The rows have these keys: those that the stream has not touched are kept until it does.
    pub(super) fn keep(&mut self, keys: impl IntoIterator<Item = Box<[u8]>>) {
        if let Keys::Touched(touched) = &self.keys {
            let untouched = keys.into_iter().filter(|key| !touched.contains(key));
            self.keys = Keys::Kept(untouched.collect());
        }
    }

    /// Whether all rows are as the chunk says.
    pub(crate) fn keeps_all(&self) -> bool {
        matches!(&self.keys, Keys::Touched(touched) if touched.is_empty())
    }

    /// Whether the row of this identity is as the chunk says.
    pub(crate) fn keeps(&self, key: &[u8]) -> bool {
        match &self.keys {
            Keys::Kept(kept) => kept.contains(key),
            Keys::Touched(touched) => !touched.contains(key),
        }
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
            crowds: [bool; 2],
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
            window = Some(Window::default());
            server.visible = server.visible.max(streamed);
            run(&until_select, &mut server, &mut streamed, &mut index, &mut window);
            let chunk = server.select();
            // Whenever the rows are here, it may come to know their keys.
            let keep = |window: &mut Option<Window>| {
                let window = window.as_mut().unwrap();
                window.keep(chunk.keys().map(|key| Box::from([*key])));
            };
            if crowds[0] {
                keep(&mut window);
            }
            run(&until_high, &mut server, &mut streamed, &mut index, &mut window);
            let high = server.log.len();
            if crowds[1] {
                keep(&mut window);
            }
            run(&until_close, &mut server, &mut streamed, &mut index, &mut window);
            let rest = vec![Move::Stream; high.saturating_sub(streamed)];
            run(&rest, &mut server, &mut streamed, &mut index, &mut window);
            let closed = window.take().unwrap();
            for (key, value) in chunk {
                prop_assert!(!closed.keeps_all() || closed.keeps(&[key]));
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
        let mut window = Window::default();

        window.touch(&[]);

        assert!(window.is_void());
    }

    fn touch_many(window: &mut Window) {
        let most = u32::try_from(TOUCHED_MAX).unwrap();
        (0..=most).for_each(|n| window.touch(&n.to_le_bytes()));
    }

    #[test]
    fn a_window_is_crowded_when_more_is_touched_than_the_chunk_has() {
        let mut window = Window::default();
        assert!(window.keeps_all());
        for key in 1..=3 {
            window.touch(&[key]);
            assert_eq!((window.is_crowded(2), window.keeps_all()), (key == 3, false));
        }
        window.keep([Box::from([3]), Box::from([4])]);
        assert!(!window.is_crowded(2));
    }

    #[test]
    fn too_many_changes_void_a_window_whose_rows_are_not_here() {
        let mut window = Window::default();

        touch_many(&mut window);

        assert!(window.is_void());
    }

    /// However far behind the stream is, a chunk that was read once is emitted.
    #[test]
    fn a_window_whose_rows_are_here_stays_open() {
        let mut window = Window::default();
        window.touch(&[1]);
        assert!(!window.is_crowded(3));
        window.keep([Box::from([1]), Box::from([2]), Box::from([3])]);

        touch_many(&mut window);
        window.touch(&[2]);

        let kept: Vec<_> = (1..=3).filter(|key| window.keeps(&[*key])).collect();
        assert_eq!((window.is_void(), kept), (false, vec![3]));
    }
}
