use crate::chain::{batch, receipts};
use crate::foreign::{chain, result, tx};
use hn_execution::{BlockExecution, ExecutionError, ForeignEvent, ForeignResult, ResultPacker};
use hn_primitives::codes;

fn block() -> BlockExecution {
    let mut block = chain().begin(&[batch(&[tx(1), tx(2)])]);
    block.set_committed(&[false, false]).unwrap();
    block.supply(Vec::new()).unwrap();
    block.run_native().unwrap();
    block
}

fn full(index: u32) -> ForeignResult {
    ForeignResult {
        steps: 9,
        writes: vec![
            (b"key".to_vec(), Some(b"value".to_vec())),
            (b"gone".to_vec(), None),
            (b"empty".to_vec(), Some(Vec::new())),
        ],
        events: vec![ForeignEvent {
            name: "coldchain.sold".into(),
            entity: "批".into(),
            data: b"{}".to_vec(),
        }],
        ..result(index)
    }
}

#[test]
fn test_packed_results_have_this_layout() {
    let mut packer = ResultPacker::with_capacity(0);
    packer.result(7, 4_001, 3, "a.b", (2, 1));
    packer.write(b"k", Some(b"v"));
    packer.write(b"kk", None);
    packer.event("n", "e", b"1");
    let want = [
        b"\0\0\0\x07\0\0\x0f\xa1\0\0\0\0\0\0\0\x03\0\0\0\x03\0\0\0\x02\0\0\0\x01a.b".as_slice(),
        b"\0\0\0\x01\x01\0\0\0\x01kv",
        b"\0\0\0\x02\0\0\0\0\0kk",
        b"\0\0\0\x01\0\0\0\x01\0\0\0\x01ne1",
    ];
    assert_eq!(packer.finish(), want.concat());
}

#[test]
fn test_packed_results_may_be_joined_and_are_taken_whole() {
    let packed = [ForeignResult::pack(&[full(0)]), ForeignResult::pack(&[full(1)])].concat();
    assert_eq!(packed, ForeignResult::pack(&[full(0), full(1)]));
    let mut block = block();
    block.complete("coldchain", &packed).unwrap();
    let finished = block.finish().unwrap();
    assert_eq!(finished.codes, [0, 0]);
    assert_eq!(finished.writes.len(), 3);
    assert!(finished.writes.iter().is_sorted_by(|a, b| a.key.key() < b.key.key()));
    let receipts = receipts(&finished);
    assert_eq!(receipts[0].write_set_digest, receipts[1].write_set_digest);
    assert_eq!(receipts[1].events.len(), 1);
}

#[test]
fn test_every_cut_and_every_longer_form_is_refused_and_nothing_taken() {
    let packed = ForeignResult::pack(&[full(0), full(1)]);
    let mut block = block();
    let boundary = ForeignResult::pack(&[full(0)]).len();
    for end in 0..packed.len() {
        let error = block.complete("coldchain", &packed[..end]).unwrap_err();
        let short = matches!(error, ExecutionError::CountMismatch { .. });
        assert_eq!(short, end == 0 || end == boundary, "cut at {end}: {error}");
        assert_eq!(error.code(), codes::RESULT_INVALID);
    }
    let longer = [packed.as_slice(), &[0]].concat();
    assert!(matches!(
        block.complete("coldchain", &longer),
        Err(ExecutionError::ResultsMalformed(_))
    ));
    block.complete("coldchain", &packed).unwrap();
}

#[test]
fn test_impossible_counts_and_flags_are_malformed() {
    let head = |counts: (usize, usize)| {
        let mut packer = ResultPacker::default();
        packer.result(0, 0, 0, "", counts);
        packer.finish()
    };
    let write = |present: u8, value: &[u8]| {
        let sizes = [b"\0\0\0\x01".as_slice(), &[present], b"\0\0\0", &[value.len() as u8]].concat();
        [head((1, 0)), sizes, b"k".to_vec(), value.to_vec()].concat()
    };
    let cases = [
        head((usize::MAX, 0)),
        head((0, usize::MAX)),
        head((1, 0)),
        write(2, b"v"),
        write(0, b"v"),
        [head((0, 1)), b"\xff\xff\xff\xff\0\0\0\0\0\0\0\0".to_vec()].concat(),
    ];
    for (i, packed) in cases.iter().enumerate() {
        let error = block().complete("coldchain", packed).unwrap_err();
        assert!(
            matches!(error, ExecutionError::ResultsMalformed(_)),
            "case {i}: {error}"
        );
    }
}

#[test]
fn test_texts_that_are_no_utf8_make_the_result_invalid() {
    let packed = ForeignResult::pack(&[full(0), full(1)]);
    let at = packed.windows(3).position(|part| part == "批".as_bytes()).unwrap();
    let mut broken = packed;
    broken[at] = 0xff;
    let mut block = block();
    block.complete("coldchain", &broken).unwrap();
    assert_eq!(block.finish().unwrap().codes, [codes::RESULT_INVALID, 0]);
}
