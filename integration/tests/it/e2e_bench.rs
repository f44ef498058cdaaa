//! What `cargo bench-e2e` measures, at a size for every day and without the peer: that every row is
//! there, and that there are figures. How fast it is says nothing here.

use integration::e2e_bench::{self, Options, Workload};
use integration::stack::{Stack, shared};
use serde_json::Value;

fn options(workloads: &[Workload], rows_percent: u64) -> Options {
    Options {
        workloads: workloads.to_vec(),
        runs: 1,
        rows_percent,
        latency_seconds: (2, 1),
        against_debezium: false,
        settings: Vec::new(),
        json: None,
    }
}

/// Runs workloads and gives the report of each.
async fn measured(stack: &Stack, options: &Options) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let running = e2e_bench::run(stack, folder.path(), options, |text| eprintln!("{text}"));
    let report = Box::pin(running).await.unwrap();
    let json = report.to_json();
    assert!(json["machine"]["MySQL"].as_str().unwrap().starts_with('9'), "{json}");
    let table = report.to_table();
    for workload in &options.workloads {
        assert!(table.contains(&format!("| {} | rowcast | 1 |", workload.name())), "{table}");
    }
    json["workloads"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_run_of_each_kind_has_its_figures() {
    let workloads = [
        Workload::CatchupBulk,
        Workload::CatchupSingleRow,
        Workload::Snapshot,
        Workload::Wide,
        Workload::LargeText,
        Workload::Latency1k,
        Workload::Chain,
    ];
    let stack = shared().await.unwrap();

    let measured = measured(stack, &options(&workloads, 1)).await;

    for (workload, report) in workloads.iter().zip(&measured) {
        assert_eq!(report["name"], workload.name());
        let ours = &report["rowcast"];
        let of_all = ["rows_per_second", "peak_rss_bytes"];
        for figure in of_all {
            assert!(ours[figure].as_f64().unwrap() > 0.0, "{figure} of {report}");
        }
        let own = if *workload == Workload::Latency1k { "p99_9_ms" } else { "rows_per_cpu_second" };
        assert!(ours[own].as_f64().unwrap() > 0.0, "{own} of {report}");
        assert_eq!(ours["runs"].as_array().unwrap().len(), 1);
        assert!(report["ratio"].is_null() && report["debezium"].is_null(), "{report}");
    }
}
