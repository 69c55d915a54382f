//! What a run is promised to find (`TEU_TEST_REQUIRE`) is there, also what no test of it asks for.

use integration_tests::available;

#[test]
fn every_promised_need_is_met() {
    let promised = std::env::var("TEU_TEST_REQUIRE").unwrap_or_default();
    let needs = promised.split(',').map(str::trim).filter(|need| !matches!(*need, "" | "all"));
    needs.for_each(|need| assert!(available(need), "{need}"));
}
