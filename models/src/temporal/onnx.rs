//! The network as ONNX, which other programs run and write.
//!
//! ```text
//! hours ─▶ Transpose ─▶ Conv ─▶ Relu ─▶ 4 x [Conv ─▶ Relu ─▶ Add] ─▶ ReduceMean, ReduceMax ──┐
//! plays ─▶ Transpose ─▶ Conv ─▶ Relu ─▶ 4 x [Conv ─▶ Relu ─▶ Add] ─▶ ReduceMean, ReduceMax ──┴─▶ Concat ─▶ Gemm ─▶ Relu ─▶ Gemm
//! ```
//!
//! What is read must be this graph, node by node, under any names; the weights are what may differ. So no operator of others is
//! ever run, and a reader of a few message kinds of Protocol Buffers is enough: `tract-onnx` takes 148 s of CPU to build.

use std::collections::HashMap;

use super::net::{DILATIONS, KERNEL, Network, PATCH, SERIES, tensors};
use super::{Form, NetworkError};

/// The key of the metadata under which the version of the channels stands.
const VERSION: &str = "sequences";
/// Axes of reductions are attributes in this version of the operators.
const OPSET: u64 = 17;
/// The number of single precision among the types of tensors, and those of attributes.
const FLOAT: u64 = 1;
const INT: u64 = 2;
const INTS: u64 = 7;

/// A node as it must be: its operator, what goes in, what comes out, and its attributes.
struct Node {
    operator: &'static str,
    inputs: Vec<String>,
    output: String,
    attributes: Vec<(&'static str, Attribute)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Attribute {
    Int(i64),
    Ints(Vec<i64>),
}

/// The graph, in an order in which it can be run. Inputs that are tensors have the names of tensors.
fn graph() -> Vec<Node> {
    let ints = |values: &[usize]| Attribute::Ints(values.iter().map(|value| *value as i64).collect());
    let mut nodes: Vec<Node> = Vec::new();
    let mut node = |operator, inputs: &[&str], output: String, attributes: Vec<(&'static str, Attribute)>| {
        let inputs = inputs.iter().map(|input| (*input).to_owned()).collect();
        nodes.push(Node { operator, inputs, output: output.clone(), attributes });
        output
    };
    let mut pooled = Vec::new();
    for series in SERIES {
        let name = |part: &str| format!("{series}.{part}");
        let [weight, bias] = ["stem.weight", "stem.bias"].map(name);
        let turned = node("Transpose", &[series], name("turned"), vec![("perm", ints(&[0, 2, 1]))]);
        let shape = vec![("kernel_shape", ints(&[PATCH])), ("strides", ints(&[PATCH]))];
        let patches = node("Conv", &[&turned, &weight, &bias], name("patches"), shape);
        let mut level = node("Relu", &[&patches], name("level0"), vec![]);
        for (block, dilation) in DILATIONS.into_iter().enumerate() {
            let [weight, bias] = ["weight", "bias"].map(|part| name(&format!("block{block}.{part}")));
            let shape = vec![
                ("dilations", ints(&[dilation])),
                ("kernel_shape", ints(&[KERNEL])),
                // Nothing later than the step itself is seen.
                ("pads", ints(&[dilation * (KERNEL - 1), 0])),
            ];
            let seen = node("Conv", &[&level, &weight, &bias], name(&format!("seen{block}")), shape);
            let added = node("Relu", &[&seen], name(&format!("added{block}")), vec![]);
            level = node("Add", &[&level, &added], name(&format!("level{}", block + 1)), vec![]);
        }
        let over_time = || vec![("axes", ints(&[2])), ("keepdims", Attribute::Int(0))];
        pooled.push(node("ReduceMean", &[&level], name("mean"), over_time()));
        pooled.push(node("ReduceMax", &[&level], name("highest"), over_time()));
    }
    let pooled: Vec<&str> = pooled.iter().map(String::as_str).collect();
    let pooled = node("Concat", &pooled, "pooled".to_owned(), vec![("axis", Attribute::Int(1))]);
    let dense = node("Gemm", &[&pooled, "dense.weight", "dense.bias"], "dense".to_owned(), vec![]);
    let dense = node("Relu", &[&dense], "known".to_owned(), vec![]);
    node("Gemm", &[&dense, "score.weight", "score.bias"], "score".to_owned(), vec![]);
    nodes
}

/// The shape that a tensor has there: of convolutions (number out, number in, step).
fn foreign_shape(shape: &[usize]) -> Vec<usize> {
    match shape {
        [steps, into, out] => vec![*out, *into, *steps],
        others => others.to_vec(),
    }
}

/// The numbers of a tensor of three axes with the axes the other way round.
fn turned(numbers: &[f32], shape: &[usize]) -> Vec<f32> {
    let [first, second, third] = shape else { return numbers.to_vec() };
    let places = (0..*third).flat_map(|c| (0..*second).flat_map(move |b| (0..*first).map(move |a| (a, b, c))));
    places.map(|(a, b, c)| numbers[(a * second + b) * third + c]).collect()
}

impl Network {
    /// The network as an ONNX file: inputs `hours` and `plays` of (accounts, steps, channels), output `score` of (accounts, 1).
    pub fn to_onnx(&self) -> Vec<u8> {
        let mut graph_ = Message::default();
        for Node { operator, inputs, output, attributes } in graph() {
            let mut node = Message::default();
            inputs.iter().for_each(|input| node.text(1, input));
            node.text(2, &output);
            node.text(3, &output);
            node.text(4, operator);
            for (name, value) in attributes {
                let mut attribute = Message::default();
                attribute.text(1, name);
                match value {
                    Attribute::Int(value) => {
                        attribute.number(3, value as u64);
                        attribute.number(20, INT);
                    }
                    Attribute::Ints(values) => {
                        values.iter().for_each(|value| attribute.number(8, *value as u64));
                        attribute.number(20, INTS);
                    }
                }
                node.message(5, &attribute);
            }
            graph_.message(1, &node);
        }
        graph_.text(2, "accounts");
        for tensor in tensors(self.forms) {
            let numbers = turned(&self.weights[tensor.at..][..tensor.numbers()], &tensor.shape);
            let mut written = Message::default();
            foreign_shape(&tensor.shape).iter().for_each(|size| written.number(1, *size as u64));
            written.number(2, FLOAT);
            written.text(8, &tensor.name);
            written.bytes(9, &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>());
            graph_.message(5, &written);
        }
        for (series, Form { steps, channels }) in SERIES.iter().zip(self.forms) {
            graph_.message(11, &value_info(series, &[steps, channels]));
        }
        graph_.message(12, &value_info("score", &[1]));

        let mut model = Message::default();
        model.number(1, 8);
        model.text(2, "truestream");
        model.message(7, &graph_);
        let mut opset = Message::default();
        opset.text(1, "");
        opset.number(2, OPSET);
        model.message(8, &opset);
        let mut entry = Message::default();
        entry.text(1, VERSION);
        entry.text(2, &self.version);
        model.message(14, &entry);
        model.0
    }

    /// The network in an ONNX file.
    ///
    /// # Errors
    /// When it is none, its graph is another one, or a tensor is missing, of another shape or not finite.
    pub fn from_onnx(bytes: &[u8]) -> Result<Network, NetworkError> {
        let model = fields(bytes)?;
        let entries = model.iter().filter(|(number, _)| *number == 14).map(|(_, value)| entry(*value));
        let entries: HashMap<String, String> = entries.collect::<Result<_, _>>()?;
        let version = entries.get(VERSION).cloned();
        let version = version.ok_or_else(|| damaged(&format!("its metadata have no entry `{VERSION}`")))?;
        let graph_ = model.iter().find(|(number, _)| *number == 7).ok_or_else(|| damaged("it has no graph"))?;
        let graph_ = fields(graph_.1.bytes()?)?;
        let of = |number: u64| graph_.iter().filter(move |(found, _)| *found == number).map(|(_, value)| *value);
        let read: HashMap<String, Foreign> = of(5).map(initializer).collect::<Result<_, _>>()?;
        let inputs: HashMap<String, Vec<usize>> = of(11).map(input).collect::<Result<_, _>>()?;
        let nodes: Vec<ForeignNode> = of(1).map(foreign_node).collect::<Result<_, _>>()?;
        let names = matched(&nodes)?;
        let form = |series: &str| match inputs.get(series).map(Vec::as_slice) {
            Some([.., steps, channels]) => Ok(Form { steps: *steps, channels: *channels }),
            _ => Err(damaged(&format!("it has no input `{series}` of (accounts, steps, channels)"))),
        };
        let forms = [form(SERIES[0])?, form(SERIES[1])?];
        Network::of_tensors(version, forms, |name| {
            let foreign = &names[name];
            let (shape, numbers) = read.get(foreign).ok_or_else(|| damaged(&format!("tensor {foreign} is missing")))?;
            // Checked in full by who asks: here only what turning needs.
            if shape.iter().product::<usize>() != numbers.len() {
                let expected = shape.clone();
                return Err(NetworkError::Shape { name: foreign.clone(), expected, got: vec![numbers.len()] });
            }
            Ok((foreign_shape(shape), turned(numbers, shape)))
        })
    }
}

/// The names that the file has for the names of [`graph`], if it is that graph.
fn matched(nodes: &[ForeignNode]) -> Result<HashMap<String, String>, NetworkError> {
    let mut names: HashMap<String, String> =
        SERIES.iter().map(|series| ((*series).to_owned(), (*series).to_owned())).collect();
    let expected = graph();
    for (at, node) in expected.iter().enumerate() {
        let Some(found) = nodes.get(at) else {
            return Err(damaged(&format!("it ends after {} of {} nodes", nodes.len(), expected.len())));
        };
        let wrong = |why: String| Err(NetworkError::Operator(found.operator.clone(), format!("node {at} {why}")));
        if found.operator != node.operator {
            return wrong(format!("must be {}", node.operator));
        }
        // An attribute that is left out has its default; of these operators and values only those are ones.
        let is_default = |(name, value): &(String, Attribute)| match (name.as_str(), value) {
            ("group", Attribute::Int(1)) | ("transA" | "transB", Attribute::Int(0)) => true,
            ("dilations" | "strides", Attribute::Ints(ones)) => ones.iter().all(|one| *one == 1),
            ("pads", Attribute::Ints(zeros)) => zeros.iter().all(|zero| *zero == 0),
            _ => false,
        };
        let written = |attribute: &&(String, Attribute)| !is_default(attribute);
        let mut own: Vec<_> = found.attributes.iter().filter(written).cloned().collect();
        own.sort_by(|a, b| a.0.cmp(&b.0));
        let wanted = node.attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let mut wanted: Vec<_> = wanted.filter(|attribute| !is_default(attribute)).collect();
        wanted.sort_by(|a, b| a.0.cmp(&b.0));
        if own != wanted {
            return wrong(format!("has the attributes {own:?}; expected {wanted:?}"));
        }
        if found.inputs.len() != node.inputs.len() || found.outputs.len() != 1 {
            return wrong(format!("has {} inputs and {} outputs", found.inputs.len(), found.outputs.len()));
        }
        for (name, foreign) in node.inputs.iter().zip(&found.inputs) {
            if names.entry(name.clone()).or_insert_with(|| foreign.clone()) != foreign {
                return wrong(format!("takes {foreign} for {name}"));
            }
        }
        names.insert(node.output.clone(), found.outputs[0].clone());
    }
    match nodes.get(expected.len()) {
        Some(more) => Err(NetworkError::Operator(more.operator.clone(), "it comes after the last one".to_owned())),
        None => Ok(names),
    }
}

struct ForeignNode {
    operator: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
    attributes: Vec<(String, Attribute)>,
}

fn foreign_node(value: Value) -> Result<ForeignNode, NetworkError> {
    let mut node =
        ForeignNode { operator: String::new(), inputs: Vec::new(), outputs: Vec::new(), attributes: Vec::new() };
    for (number, value) in fields(value.bytes()?)? {
        match number {
            1 => node.inputs.push(value.text()?),
            2 => node.outputs.push(value.text()?),
            4 => node.operator = value.text()?,
            5 => node.attributes.push(attribute(value)?),
            _ => {}
        }
    }
    Ok(node)
}

fn attribute(value: Value) -> Result<(String, Attribute), NetworkError> {
    let (mut name, mut int, mut ints, mut kind) = (String::new(), 0, Vec::new(), 0);
    for (number, value) in fields(value.bytes()?)? {
        match number {
            1 => name = value.text()?,
            3 => int = value.number()? as i64,
            8 => value.numbers(&mut ints)?,
            20 => kind = value.number()?,
            _ => {}
        }
    }
    match kind {
        INT => Ok((name, Attribute::Int(int))),
        INTS => Ok((name, Attribute::Ints(ints.into_iter().map(|value| value as i64).collect()))),
        // Scales of Gemm are the only floats of these operators; none but 1 is asked for, so none is read.
        _ => Ok((format!("{name} of kind {kind}"), Attribute::Int(0))),
    }
}

/// Sizes and numbers.
type Foreign = (Vec<usize>, Vec<f32>);

fn initializer(value: Value) -> Result<(String, Foreign), NetworkError> {
    let (mut name, mut shape, mut numbers, mut kind) = (String::new(), Vec::new(), Vec::new(), 0);
    let single = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    for (number, value) in fields(value.bytes()?)? {
        match number {
            1 => value.numbers(&mut shape)?,
            2 => kind = value.number()?,
            4 | 9 => numbers.extend(value.bytes()?.chunks_exact(4).map(single)),
            8 => name = value.text()?,
            _ => {}
        }
    }
    if kind != FLOAT {
        return Err(damaged(&format!("tensor {name} is not of single precision")));
    }
    // A shape that no memory holds is none; the product of the others fits.
    let shape: Vec<usize> = shape.into_iter().map(|size| usize::try_from(size).unwrap_or(0).min(1 << 20)).collect();
    if shape.len() > 3 {
        return Err(damaged(&format!("tensor {name} has {} axes", shape.len())));
    }
    Ok((name, (shape, numbers)))
}

fn input(value: Value) -> Result<(String, Vec<usize>), NetworkError> {
    let mut name = String::new();
    let mut shape = Vec::new();
    for (number, value) in fields(value.bytes()?)? {
        match number {
            1 => name = value.text()?,
            2 => {
                let tensor = inner(value, 1)?;
                let dims = tensor.map(|tensor| inner(tensor, 2)).transpose()?.flatten();
                for (_, dim) in dims.map(|dims| fields(dims.bytes()?)).transpose()?.unwrap_or_default() {
                    let size = inner(dim, 1)?.map(Value::number).transpose()?.unwrap_or(0);
                    shape.push(usize::try_from(size).unwrap_or(0));
                }
            }
            _ => {}
        }
    }
    Ok((name, shape))
}

fn entry(value: Value) -> Result<(String, String), NetworkError> {
    let text = |number: u64| Ok(inner(value, number)?.map(Value::text).transpose()?.unwrap_or_default());
    Ok((text(1)?, text(2)?))
}

/// A named tensor of (accounts, ...).
fn value_info(name: &str, shape: &[usize]) -> Message {
    let mut dims = Message::default();
    let mut accounts = Message::default();
    accounts.text(2, "accounts");
    dims.message(1, &accounts);
    for size in shape {
        let mut dim = Message::default();
        dim.number(1, *size as u64);
        dims.message(1, &dim);
    }
    let (mut tensor, mut kind, mut info) = (Message::default(), Message::default(), Message::default());
    tensor.number(1, FLOAT);
    tensor.message(2, &dims);
    kind.message(1, &tensor);
    info.text(1, name);
    info.message(2, &kind);
    info
}

fn damaged(why: &str) -> NetworkError {
    NetworkError::File(why.to_owned())
}

/// A message of Protocol Buffers in the making.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u64, value: u64) {
        self.varint(field << 3);
        self.varint(value);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, field: u64, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn message(&mut self, field: u64, message: &Message) {
        self.bytes(field, &message.0);
    }
}

/// The value of a field.
#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn number(self) -> Result<u64, NetworkError> {
        match self {
            Value::Number(number) => Ok(number),
            Value::Bytes(_) => Err(damaged("bytes stand where a number was expected")),
        }
    }

    fn bytes(self) -> Result<&'a [u8], NetworkError> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Number(_) => Err(damaged("a number stands where bytes were expected")),
        }
    }

    fn text(self) -> Result<String, NetworkError> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| damaged("a name is no text"))
    }

    /// One number of a list, or many packed together.
    fn numbers(self, to: &mut Vec<u64>) -> Result<(), NetworkError> {
        match self {
            Value::Number(number) => to.push(number),
            Value::Bytes(mut rest) => {
                while !rest.is_empty() {
                    to.push(varint(&mut rest)?);
                }
            }
        }
        Ok(())
    }
}

/// The last value of a field in a message.
fn inner(message: Value<'_>, field: u64) -> Result<Option<Value<'_>>, NetworkError> {
    Ok(fields(message.bytes()?)?.into_iter().rfind(|(number, _)| *number == field).map(|(_, value)| value))
}

/// The fields of a message.
fn fields(mut rest: &[u8]) -> Result<Vec<(u64, Value<'_>)>, NetworkError> {
    let mut found = Vec::new();
    let cut = || damaged("it ends in the middle of a field");
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let length = match key & 7 {
            0 => {
                found.push((key >> 3, Value::Number(varint(&mut rest)?)));
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut rest)?).map_err(|_| cut())?,
            5 => 4,
            _ => return Err(damaged("it is no message of Protocol Buffers")),
        };
        let (value, after) = rest.split_at_checked(length).ok_or_else(cut)?;
        found.push((key >> 3, Value::Bytes(value)));
        rest = after;
    }
    Ok(found)
}

fn varint(rest: &mut &[u8]) -> Result<u64, NetworkError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().ok_or_else(|| damaged("it ends in the middle of a number"))?;
        *rest = after;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(damaged("a number has more than 64 bits"))
}

#[cfg(test)]
mod tests {
    use super::super::net::tests::FORMS;
    use super::*;
    use crate::chance::Chance;

    #[test]
    fn a_network_is_read_as_it_was_written_and_what_is_another_graph_is_refused() {
        let network = Network::new("test-1", FORMS, 3);
        let bytes = network.to_onnx();
        assert_eq!(Network::from_onnx(&bytes).expect("it was just written"), network);
        let told = |bytes: &[u8]| Network::from_onnx(bytes).expect_err("refused").to_string();
        let replaced = |from: &[u8], to: &[u8]| {
            let at = bytes.windows(from.len()).position(|part| part == from).expect("it is there");
            let mut bytes = bytes.clone();
            bytes[at..at + from.len()].copy_from_slice(to);
            told(&bytes)
        };
        assert!(replaced(b"ReduceMax", b"ReduceMin").starts_with("operator ReduceMin is not one of this network"));
        assert!(replaced(b"perm", b"prem").contains("has the attributes"));
        assert!(replaced(b"sequences", b"sequentia").contains("no entry `sequences`"));
        // Nine nodes later than the first use of the name: what is added is no longer what was.
        assert!(replaced(b"hours.added1", b"hours.addex1").contains("takes hours.added1 for"));
        let mut poisoned = network.clone();
        poisoned.weights[7] = f32::NAN;
        assert!(told(&poisoned.to_onnx()).contains("not finite"));
        // The first tensor says that it is of two channels.
        assert!(
            replaced(&[8, 16, 8, 3, 8, 4], &[8, 16, 8, 2, 8, 4]).contains("tensor hours.stem.weight has the shape")
        );
        assert!(told(b"").contains("no entry") && told(&bytes[..bytes.len() - 3]).contains("in the middle"));
    }

    #[test]
    fn no_damage_makes_it_panic() {
        let bytes = Network::new("test-1", [Form { steps: 4, channels: 1 }; 2], 3).to_onnx();
        let mut chance = Chance::of(11, 11);
        for _ in 0..3_000 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + chance.below(4) {
                let at = chance.below(damaged.len());
                damaged[at] = chance.below(256) as u8;
            }
            damaged.truncate(if chance.below(3) == 0 { chance.below(damaged.len()) } else { damaged.len() });
            if let Ok(network) = Network::from_onnx(&damaged) {
                assert!(network.weights.iter().all(|weight| weight.is_finite()));
            }
        }
    }
}
