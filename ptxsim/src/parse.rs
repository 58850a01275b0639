//! PTX text, as NVRTC writes it, becomes kernels.
//!
//! Constants, special registers and the addresses of shared arrays become registers that hold one value, so every operand of an
//! instruction is a register. Whatever is not known by name is an error that quotes it.

use std::collections::HashMap;

use crate::arithmetic;
use crate::program::{Instruction, Kernel, Op, Param, Reg, Shuffle, Space, Special, Ty, Vote};

/// Bytes between two shared arrays that belong to neither.
pub const RED_ZONE: usize = 64;

/// All kernels of a module.
pub fn module(text: &str) -> Result<Vec<Kernel>, String> {
    let file = source_name(text);
    let mut externs = Vec::new();
    let mut kernels = Vec::new();
    let mut head = String::new();
    let mut body: Option<Body> = None;
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or("").trim();
        if line.starts_with(".section") {
            break;
        }
        let prologue = [".version", ".target", ".address_size", ".file"];
        if line.is_empty() || prologue.iter().any(|word| line.starts_with(word)) {
            continue;
        }
        match &mut body {
            None if line.starts_with(".extern .shared") => externs.push(declared(line)?.name),
            None if line == "{" => body = Some(Body::open(&std::mem::take(&mut head), &file, &externs)?),
            None => head = head + line + " ",
            Some(open) => {
                if open.line(line)? {
                    kernels.extend(body.take().map(Body::close).transpose()?);
                }
            }
        }
    }
    match body {
        Some(_) => Err("the text ends within a kernel".into()),
        None => Ok(kernels),
    }
}

/// The `.cu` file that the line numbers mean; NVRTC names it at the end.
fn source_name(text: &str) -> String {
    let line = text.lines().rev().map(str::trim).find(|line| line.starts_with(".file"));
    line.and_then(|line| line.split('"').nth(1)).unwrap_or("ptx").to_string()
}

/// A declared array, parameter or variable.
struct Declared {
    name: String,
    align: usize,
    ty: Ty,
    count: usize,
}

/// Reads `.shared .align 8 .b8 name[8192]`.
fn declared(text: &str) -> Result<Declared, String> {
    let bad = || format!("declaration `{text}`");
    let (mut align, mut ty, mut name) = (1, None, None);
    let mut words = text.trim_end_matches(';').split_whitespace();
    while let Some(word) = words.next() {
        match word.strip_prefix('.') {
            Some("align") => align = words.next().and_then(|word| word.parse().ok()).ok_or_else(bad)?,
            Some("shared" | "extern" | "param") => {}
            Some(other) => ty = Some(Ty::named(other).ok_or_else(bad)?),
            None => name = Some(word),
        }
    }
    let (name, ty) = (name.ok_or_else(bad)?, ty.ok_or_else(bad)?);
    let (name, count) = match name.split_once('[') {
        Some((name, "]")) => (name, 0),
        Some((name, count)) => (name, count.trim_end_matches(']').parse().map_err(|_| bad())?),
        None => (name, 1),
    };
    Ok(Declared { name: name.into(), align: align.max(ty.size()), ty, count })
}

/// A kernel being read.
struct Body {
    kernel: Kernel,
    registers: HashMap<String, Reg>,
    /// Addresses of shared arrays and parameters.
    symbols: HashMap<String, u64>,
    constants: HashMap<u64, Reg>,
    labels: HashMap<String, u32>,
    /// Branches whose label may still come.
    branches: Vec<(usize, String)>,
    externs: Vec<String>,
    shared_end: usize,
    depth: usize,
    statement: String,
    source_line: u32,
}

impl Body {
    fn open(head: &str, file: &str, externs: &[String]) -> Result<Body, String> {
        let bad = || format!("only kernels are understood, not `{head}`");
        let (_, entry) = head.split_once(".entry").ok_or_else(bad)?;
        let (name, rest) = entry.split_once('(').ok_or_else(bad)?;
        let (params, attributes) = rest.split_once(')').ok_or_else(bad)?;
        let mut kernel = Kernel { name: name.trim().into(), file: file.into(), ..Kernel::default() };
        let mut symbols = HashMap::new();
        for text in params.split(',').filter(|text| !text.trim().is_empty()) {
            let param = declared(text.trim())?;
            let at = kernel.param_bytes().next_multiple_of(param.align);
            symbols.insert(param.name, at as u64);
            kernel.params.push(Param { at, ty: param.ty });
        }
        match attributes.split_once(".maxntid") {
            Some((_, sizes)) => {
                let sizes = sizes.split(',').map(|size| size.trim().parse::<usize>());
                kernel.threads_max = Some(sizes.product::<Result<usize, _>>().map_err(|_| bad())?);
            }
            None if attributes.trim().is_empty() => {}
            None => return Err(bad()),
        }
        Ok(Body {
            kernel,
            registers: HashMap::new(),
            symbols,
            constants: HashMap::new(),
            labels: HashMap::new(),
            branches: Vec::new(),
            externs: externs.to_vec(),
            shared_end: 0,
            depth: 1,
            statement: String::new(),
            source_line: 0,
        })
    }

    /// Reads a line; true at the kernel's end.
    fn line(&mut self, line: &str) -> Result<bool, String> {
        if let Some(place) = line.strip_prefix(".loc").filter(|place| place.starts_with(char::is_whitespace)) {
            self.source_line = place.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
            return Ok(false);
        }
        match line {
            "{" => self.depth += 1,
            "}" => self.depth -= 1,
            _ => {
                self.statement = std::mem::take(&mut self.statement) + line + " ";
                if let Some(label) = self.statement.trim().strip_suffix(':') {
                    self.labels.insert(label.into(), self.kernel.code.len() as u32);
                    self.statement.clear();
                } else if line.ends_with(';') {
                    let statement = std::mem::take(&mut self.statement);
                    let statement = statement.trim().trim_end_matches(';').trim();
                    self.read(statement).map_err(|error| format!("{}: `{statement}`: {error}", self.kernel.name))?;
                }
            }
        }
        Ok(self.depth == 0)
    }

    fn close(mut self) -> Result<Kernel, String> {
        for (at, label) in &self.branches {
            let target = *self.labels.get(label).ok_or_else(|| format!("no label {label}"))?;
            self.kernel.code[*at].op = Op::Branch { target };
        }
        self.kernel.dynamic_at = self.shared_end.next_multiple_of(16);
        for name in &self.externs {
            if let Some(register) = self.registers.get(name) {
                self.kernel.constants.push((*register, self.kernel.dynamic_at as u64));
                self.kernel.dynamic = true;
            }
        }
        let end = Instruction { op: Op::Return, guard: None, to: vec![], from: vec![], line: self.source_line };
        self.kernel.code.push(end);
        Ok(self.kernel)
    }

    fn read(&mut self, statement: &str) -> Result<(), String> {
        if let Some(registers) = statement.strip_prefix(".reg") {
            return self.declare_registers(registers);
        }
        if statement.starts_with(".shared") {
            let array = declared(statement)?;
            let at = self.shared_end.next_multiple_of(array.align.max(1));
            let len = array.count * array.ty.size();
            self.kernel.arrays.push((at, len));
            self.shared_end = at + len + RED_ZONE;
            self.symbols.insert(array.name, at as u64);
            return Ok(());
        }
        if statement.starts_with(".pragma") {
            return Ok(());
        }
        if statement.starts_with('.') {
            return Err("this declaration is not supported".into());
        }
        let (guard, statement) = match statement.strip_prefix('@') {
            Some(guarded) => {
                let (predicate, rest) = guarded.split_once(char::is_whitespace).ok_or("a guard and nothing")?;
                let (name, wanted) = match predicate.strip_prefix('!') {
                    Some(name) => (name, false),
                    None => (predicate, true),
                };
                (Some((self.operand(name)?, wanted)), rest.trim())
            }
            None => (None, statement),
        };
        let (name, operands) = statement.split_once(char::is_whitespace).unwrap_or((statement, ""));
        let mut instruction = self.instruction(name, &split(operands))?;
        instruction.guard = guard;
        self.kernel.code.push(instruction);
        Ok(())
    }

    /// Reads `.b32 %r<78>` and `.pred p, q`.
    fn declare_registers(&mut self, text: &str) -> Result<(), String> {
        let (_ty, names) = text.trim().split_once(char::is_whitespace).ok_or("no register is named")?;
        for name in names.split(',').map(str::trim) {
            match name.strip_suffix('>').and_then(|name| name.split_once('<')) {
                Some((stem, count)) => {
                    for number in 0..count.parse::<u32>().map_err(|_| "how many registers?")? {
                        let register = self.fresh();
                        self.registers.insert(format!("{stem}{number}"), register);
                    }
                }
                None => {
                    let register = self.fresh();
                    self.registers.insert(name.into(), register);
                }
            }
        }
        Ok(())
    }

    fn fresh(&mut self) -> Reg {
        self.kernel.registers += 1;
        self.kernel.registers as Reg - 1
    }

    fn constant(&mut self, value: u64) -> Reg {
        if let Some(register) = self.constants.get(&value) {
            return *register;
        }
        let register = self.fresh();
        self.constants.insert(value, register);
        self.kernel.constants.push((register, value));
        register
    }

    fn operand(&mut self, text: &str) -> Result<Reg, String> {
        let text = text.trim();
        if text == "_" {
            return Ok(self.fresh());
        }
        if let Some(register) = self.registers.get(text) {
            return Ok(*register);
        }
        if let Some(address) = self.symbols.get(text) {
            return Ok(self.constant(*address));
        }
        if self.externs.iter().any(|name| name == text) {
            let register = self.fresh();
            self.registers.insert(text.into(), register);
            return Ok(register);
        }
        if let Some(special) = special(text) {
            let register = self.fresh();
            self.registers.insert(text.into(), register);
            self.kernel.specials.push((register, special));
            return Ok(register);
        }
        let value = number(text).ok_or_else(|| format!("operand {text}"))?;
        Ok(self.constant(value))
    }

    fn operands(&mut self, texts: &[&str]) -> Result<Vec<Reg>, String> {
        texts.iter().map(|text| self.operand(text)).collect()
    }

    /// Reads `%r1` or `{%r1, %r2}`.
    fn vector(&mut self, text: &str) -> Result<Vec<Reg>, String> {
        match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(inner) => self.operands(&split(inner)),
            None => Ok(vec![self.operand(text)?]),
        }
    }

    /// Reads `[%rd1+8]`.
    fn address(&mut self, text: &str) -> Result<(Reg, i64), String> {
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or("no address")?;
        match inner.split_once('+') {
            Some((base, offset)) => {
                Ok((self.operand(base)?, number(offset).ok_or_else(|| format!("offset {offset}"))? as i64))
            }
            None => Ok((self.operand(inner)?, 0)),
        }
    }

    fn instruction(&mut self, name: &str, operands: &[&str]) -> Result<Instruction, String> {
        let unknown = || format!("{name} is not supported");
        let mut words = name.split('.');
        let mnemonic = words.next().unwrap_or("");
        let words: Vec<&str> = words.collect();
        let modifiers: Vec<&str> = words.iter().copied().filter(|word| Ty::named(word).is_none()).collect();
        let types: Vec<Ty> = words.iter().filter_map(|word| Ty::named(word)).collect();
        let ty = types.last().copied();
        let wants =
            |count: usize| if operands.len() == count { Ok(()) } else { Err(format!("{count} operands are wanted")) };
        let made = |op, to, from| Instruction { op, guard: None, to, from, line: 0 };

        let mut instruction = match (mnemonic, &modifiers[..], ty) {
            ("bra", [] | ["uni"], None) => {
                wants(1)?;
                self.branches.push((self.kernel.code.len(), operands[0].into()));
                made(Op::Branch { target: 0 }, vec![], vec![])
            }
            ("ret", [], None) => made(Op::Return, vec![], vec![]),
            ("bar", ["sync"], None) if operands == ["0"] => made(Op::Barrier, vec![], vec![]),
            ("bar", ["warp", "sync"], None) => {
                wants(1)?;
                made(Op::WarpBarrier, vec![], self.operands(operands)?)
            }
            ("activemask", [], Some(Ty::U32)) => {
                wants(1)?;
                made(Op::ActiveMask, self.operands(operands)?, vec![])
            }
            ("shfl", ["sync", kind], Some(Ty::U32)) => {
                wants(5)?;
                let kind = match *kind {
                    "bfly" => Shuffle::Butterfly,
                    "idx" => Shuffle::Index,
                    "down" => Shuffle::Down,
                    "up" => Shuffle::Up,
                    _ => return Err(unknown()),
                };
                // `d|p` also tells whether the value came from within the range.
                let (value, within) = operands[0].split_once('|').unwrap_or((operands[0], "_"));
                let to = self.operands(&[value, within])?;
                made(Op::Shuffle(kind), to, self.operands(&operands[1..])?)
            }
            ("vote", ["sync", kind], Some(ty)) => {
                wants(3)?;
                let kind = match (*kind, ty) {
                    ("ballot", Ty::U32) => Vote::Ballot,
                    ("any", Ty::Pred) => Vote::Any,
                    ("all", Ty::Pred) => Vote::All,
                    _ => return Err(unknown()),
                };
                let to = self.operands(&operands[..1])?;
                made(Op::Vote(kind), to, self.operands(&operands[1..])?)
            }
            ("ld", [space, rest @ ..], Some(ty)) => {
                wants(2)?;
                let space = match (*space, rest) {
                    ("global", [] | ["nc"] | ["v2" | "v4"] | ["nc", "v2" | "v4"]) => Space::Global,
                    ("shared", [] | ["v2" | "v4"]) => Space::Shared,
                    ("param", []) => Space::Param,
                    _ => return Err(unknown()),
                };
                let to = self.vector(operands[0])?;
                check_vector(rest, to.len())?;
                let (base, offset) = self.address(operands[1])?;
                made(Op::Load { space, ty, offset }, to, vec![base])
            }
            ("st", [space, rest @ ..], Some(ty)) => {
                wants(2)?;
                let space = match (*space, rest) {
                    ("global", [] | ["v2" | "v4"]) => Space::Global,
                    ("shared", [] | ["v2" | "v4"]) => Space::Shared,
                    _ => return Err(unknown()),
                };
                let (base, offset) = self.address(operands[0])?;
                let mut from = vec![base];
                from.extend(self.vector(operands[1])?);
                check_vector(rest, from.len() - 1)?;
                made(Op::Store { space, ty, offset }, vec![], from)
            }
            ("atom" | "red", [space @ ("global" | "shared"), kind], Some(ty)) => {
                let space = if *space == "global" { Space::Global } else { Space::Shared };
                let function = arithmetic::atomic(kind, ty).ok_or_else(unknown)?;
                let (to, rest) = match mnemonic {
                    "atom" => (self.operands(&operands[..1])?, &operands[1..]),
                    _ => (vec![self.fresh()], operands),
                };
                let values = if *kind == "cas" { 2 } else { 1 };
                if rest.len() != 1 + values {
                    return Err(format!("{values} values are wanted"));
                }
                let (base, offset) = self.address(rest[0])?;
                let mut from = vec![base];
                from.extend(self.operands(&rest[1..])?);
                made(Op::Atomic { space, ty, offset, function }, to, from)
            }
            ("mov", [], Some(ty)) if operands.len() == 2 && operands[1].starts_with('{') => {
                let from = self.vector(operands[1])?;
                let bits = ty.size() as u32 * 8 / from.len() as u32;
                made(Op::Pack { bits }, self.operands(&operands[..1])?, from)
            }
            ("mov", [], Some(ty)) if operands.len() == 2 && operands[0].starts_with('{') => {
                let to = self.vector(operands[0])?;
                let bits = ty.size() as u32 * 8 / to.len() as u32;
                made(Op::Unpack { bits }, to, self.operands(&operands[1..])?)
            }
            (_, modifiers, Some(of)) => {
                let converts = mnemonic == "cvt";
                if types.len() != if converts { 2 } else { 1 } {
                    return Err(unknown());
                }
                let function = arithmetic::pure(mnemonic, modifiers, types[0], of).ok_or_else(unknown)?;
                wants(1 + inputs(mnemonic))?;
                let divides = matches!(mnemonic, "div" | "rem") && !matches!(of, Ty::F32 | Ty::F64);
                let divisor = divides.then_some(u64::MAX >> (64 - 8 * of.size()));
                let to = self.operands(&operands[..1])?;
                made(Op::Pure { function, divisor }, to, self.operands(&operands[1..])?)
            }
            _ => return Err(unknown()),
        };
        instruction.line = self.source_line;
        Ok(instruction)
    }
}

/// How many values an instruction without effects takes.
fn inputs(mnemonic: &str) -> usize {
    match mnemonic {
        "mov" | "cvta" | "cvt" | "abs" | "neg" | "not" | "sqrt" | "rsqrt" | "rcp" | "ex2" | "lg2" | "popc" | "clz"
        | "brev" | "bfind" => 1,
        "mad" | "fma" | "selp" | "bfe" | "prmt" => 3,
        "bfi" => 4,
        _ => 2,
    }
}

/// The vector modifier and the number of registers say the same.
fn check_vector(modifiers: &[&str], registers: usize) -> Result<(), String> {
    let wanted = match modifiers.last() {
        Some(&"v2") => 2,
        Some(&"v4") => 4,
        _ => 1,
    };
    if registers == wanted { Ok(()) } else { Err(format!("{wanted} registers are wanted")) }
}

/// Cuts operands at commas outside brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

fn special(text: &str) -> Option<Special> {
    let axis = |name: &str| match text.strip_prefix(name)? {
        ".x" => Some(0),
        ".y" => Some(1),
        ".z" => Some(2),
        _ => None,
    };
    let by_axis = axis("%tid").map(Special::Thread).or_else(|| axis("%ntid").map(Special::Threads));
    let by_axis =
        by_axis.or_else(|| axis("%ctaid").map(Special::Block)).or_else(|| axis("%nctaid").map(Special::Blocks));
    by_axis.or_else(|| (text == "%laneid").then_some(Special::Lane))
}

/// Integers, hexadecimal ones, and floats as PTX spells their bits.
fn number(text: &str) -> Option<u64> {
    let text = text.trim().trim_end_matches('U');
    if let Some(bits) = text.strip_prefix("0f").or_else(|| text.strip_prefix("0d")) {
        return u64::from_str_radix(bits, 16).ok();
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok();
    }
    text.parse::<i64>().map(|value| value as u64).or_else(|_| text.parse::<u64>()).ok()
}
