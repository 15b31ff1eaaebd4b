//! An application whose payload says what its handler does, to reach every corner of the overlay.

use hn_execution::{ActionSpec, Failure, KeySink, NativeApplication, Operation, Overlay, TxContext};
use hn_primitives::codes;

pub struct Probe;

/// Lines of the payload, taken apart at spaces.
struct Script(Vec<Vec<String>>);

impl NativeApplication for Probe {
    fn name(&self) -> &'static str {
        "probe"
    }

    fn actions(&self) -> &'static [ActionSpec] {
        &[ActionSpec {
            name: "run",
            schema_json: "{}",
            roles: &[],
        }]
    }

    fn prepare(&self, tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
        let text = std::str::from_utf8(tx.payload).map_err(|_| Failure::new(codes::PAYLOAD_INVALID))?;
        let lines = text.lines().map(|line| line.split(' ').map(str::to_owned).collect());
        let script = Script(lines.collect());
        for line in script.0.iter().filter(|line| line[0] == "declare") {
            keys.declare(line[1].as_bytes())?;
        }
        Ok(Box::new(script))
    }
}

impl Operation for Script {
    fn execute(&self, _: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        let size = |text: &String| text.parse::<usize>().map_err(|_| Failure::new(codes::PAYLOAD_INVALID));
        for line in &self.0 {
            let words: Vec<&str> = line.iter().map(String::as_str).collect();
            match words[..] {
                ["declare", _] => {}
                ["get", key] => drop(state.get(key.as_bytes())?),
                ["want", key, value] if state.get(key.as_bytes())? == Some(value.as_bytes()) => {}
                ["want", key] if state.get(key.as_bytes())?.is_none() => {}
                ["want", ..] => return Err(Failure::rule("probe.want")),
                ["put", key, value] => state.put(key.as_bytes(), value.as_bytes().to_vec())?,
                ["fill", key, _] => state.put(key.as_bytes(), vec![0; size(&line[2])?])?,
                ["delete", key] => state.delete(key.as_bytes())?,
                ["emit", name, entity, _] => state.emit(name, entity, &vec![b'1'; size(&line[3])?])?,
                _ => return Err(Failure::rule("probe.fail")),
            }
        }
        Ok(())
    }
}
