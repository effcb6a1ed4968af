//! What the command line asks for.

/// How much is measured.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) rounds: usize,
    pub(crate) warm_up: usize,
    /// The rows of each case are divided by this.
    shrink: usize,
    filters: Vec<String>,
    /// Whether the figures replace those in `benches/README.md`.
    pub(crate) writes: bool,
}

impl Run {
    /// `cargo bench` says `--bench`; without it, as in `cargo test --benches`, all is run once, on small data. Any other
    /// word is a part of the names of the groups to run; `--rounds=7` asks for so many rounds, and `--write` for the figures to be
    /// written to `benches/README.md`, which takes all groups and all rounds.
    pub(crate) fn from_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let (options, filters): (Vec<String>, Vec<String>) = arguments
            .into_iter()
            .partition(|argument| argument.starts_with("--"));
        let rounds = options
            .iter()
            .find_map(|option| option.strip_prefix("--rounds="));
        let rounds = rounds.map(|rounds| rounds.parse::<usize>().expect("--rounds=7"));
        let is_bench = options.iter().any(|option| option == "--bench");
        let writes = options.iter().any(|option| option == "--write");
        assert!(
            !writes || is_bench && filters.is_empty() && rounds.is_none(),
            "--write takes all groups and all rounds: it goes with no other word"
        );
        if is_bench {
            Run {
                rounds: rounds.unwrap_or(21).max(1),
                warm_up: rounds.map_or(3, |_| 1),
                shrink: 1,
                filters,
                writes,
            }
        } else {
            Run {
                rounds: 1,
                warm_up: 0,
                shrink: 100,
                filters,
                writes,
            }
        }
    }

    /// Prints what the numbers depend on.
    pub(crate) fn describe(&self, threads: usize, allocator: &str) {
        let huge_pages = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
        let huge_pages = huge_pages.as_deref().unwrap_or("unknown").trim();
        println!("{threads} threads; {allocator}; transparent huge pages: {huge_pages}");
        println!(
            "medians of {} rounds; as \"best\" the same of the fastest rounds",
            self.rounds
        );
        println!("lines without a limit explain others");
    }

    pub(crate) fn rows(&self, rows: usize) -> usize {
        rows / self.shrink
    }

    /// So many times the rounds, for what is short.
    pub(crate) fn with_more_rounds(&self, times: usize) -> Self {
        let rounds = if self.rounds == 1 {
            1
        } else {
            self.rounds * times
        };
        Run {
            rounds,
            ..self.clone()
        }
    }

    pub(crate) fn wants(&self, group: &str) -> bool {
        self.filters.is_empty()
            || self
                .filters
                .iter()
                .any(|filter| group.contains(filter.as_str()))
    }
}
