use crate::chain::{Chain, batch, body, hex};
use crate::foreign::{chain, result, tx};
use hn_execution::{BlockExecution, ForeignResult};
use hn_primitives::codes;

fn block() -> BlockExecution {
    let payload = format!(r#"{{"hash":"{}","algorithm":"sm3"}}"#, hex(&[1; 32]));
    Chain::new().begin(&[batch(&[body(1, 1, "evidence", "preserve", &payload)])])
}

#[test]
fn test_steps_out_of_order_are_refused() {
    let mut early = block();
    assert_eq!(early.native_keys().unwrap_err().code(), codes::INTERNAL_ERROR);
    assert_eq!(early.supply(vec![]).unwrap_err().code(), codes::INTERNAL_ERROR);
    assert_eq!(early.run_native().unwrap_err().code(), codes::INTERNAL_ERROR);
    assert_eq!(early.foreign_groups().unwrap_err().code(), codes::INTERNAL_ERROR);
    assert_eq!(
        early.complete("evidence", &[]).unwrap_err().code(),
        codes::INTERNAL_ERROR
    );
    assert_eq!(early.finish().unwrap_err().code(), codes::INTERNAL_ERROR);
    let mut twice = block();
    twice.set_committed(&[false]).unwrap();
    assert_eq!(twice.set_committed(&[false]).unwrap_err().code(), codes::INTERNAL_ERROR);
    assert_eq!(twice.run_native().unwrap_err().code(), codes::INTERNAL_ERROR);
    twice.supply(vec![None]).unwrap();
    assert_eq!(twice.supply(vec![None]).unwrap_err().code(), codes::INTERNAL_ERROR);
    twice.run_native().unwrap();
    assert_eq!(twice.run_native().unwrap_err().code(), codes::INTERNAL_ERROR);
    assert_eq!(twice.finish().unwrap().codes, [0]);
}

#[test]
fn test_lists_of_a_wrong_length_are_refused() {
    let mut block = block();
    assert_eq!(block.set_committed(&[]).unwrap_err().code(), codes::RESULT_INVALID);
    assert_eq!(
        block.set_committed(&[false; 2]).unwrap_err().code(),
        codes::RESULT_INVALID
    );
    block.set_committed(&[false]).unwrap();
    assert_eq!(block.native_keys().unwrap().len(), 1);
    assert_eq!(block.supply(vec![]).unwrap_err().code(), codes::RESULT_INVALID);
    assert_eq!(
        block.supply(vec![None, None]).unwrap_err().code(),
        codes::RESULT_INVALID
    );
    block.supply(vec![None]).unwrap();
}

#[test]
fn test_results_must_match_the_group_one_to_one() {
    let chain = chain();
    let mut block = chain.begin(&[batch(&[tx(1), body(1, 2, "agri", "harvest", ""), tx(3)])]);
    block.set_committed(&[false; 3]).unwrap();
    let refused = [
        block.complete("coldchain", &ForeignResult::pack(&[result(0)])),
        block.complete("coldchain", &ForeignResult::pack(&[result(0), result(1)])),
        block.complete("coldchain", &ForeignResult::pack(&[result(2), result(0)])),
        block.complete("coldchain", &ForeignResult::pack(&[result(0), result(2), result(2)])),
        block.complete("evidence", &[]),
        block.complete("weather", &[]),
    ];
    assert!(
        refused
            .into_iter()
            .all(|answer| answer.unwrap_err().code() == codes::RESULT_INVALID)
    );
    block
        .complete("coldchain", &ForeignResult::pack(&[result(0), result(2)]))
        .unwrap();
    assert!(
        block
            .complete("coldchain", &ForeignResult::pack(&[result(0), result(2)]))
            .is_err(),
        "answered already"
    );
    assert_eq!(block.foreign_groups().unwrap().len(), 1);
    block.supply(Vec::new()).unwrap();
    block.run_native().unwrap();
    assert_eq!(
        block.finish().unwrap_err().code(),
        codes::INTERNAL_ERROR,
        "agri has not answered"
    );
}
