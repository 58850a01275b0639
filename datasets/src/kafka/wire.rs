//! The bytes that Kafka's protocol is made of: whole numbers, texts and lists, in its older and its compact form.

/// An answer that is not what Kafka's protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what the broker sent is not what Kafka's protocol says: {0}")]
pub struct Malformed(pub &'static str);

/// What was received, from its first byte that was not read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    rest: &'a [u8],
    /// Whether texts and lists are compact, and tags follow each part.
    is_compact: bool,
}

impl<'a> Received<'a> {
    pub fn new(bytes: &'a [u8], is_compact: bool) -> Received<'a> {
        Received { rest: bytes, is_compact }
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        self.rest.split_off(..length).ok_or(Malformed("it ends too soon"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        Ok(self.take(N)?.try_into().expect("as many bytes as were taken"))
    }

    pub fn i8(&mut self) -> Result<i8, Malformed> {
        self.array().map(i8::from_be_bytes)
    }

    pub fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    pub fn id(&mut self) -> Result<[u8; 16], Malformed> {
        self.array()
    }

    /// A number in groups of seven bits, the lowest first.
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.i8()? as u8;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed("a number has no end"))
    }

    /// A number of either sign: 0, -1, 1, -2, …
    pub fn zigzag(&mut self) -> Result<i64, Malformed> {
        let number = self.varint()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// How many bytes or elements follow; `None` where there is no text, or no list.
    fn length(&mut self, short: impl FnOnce(&mut Self) -> Result<i64, Malformed>) -> Result<Option<usize>, Malformed> {
        if self.is_compact {
            let length = usize::try_from(self.varint()?).map_err(|_| Malformed("a length cannot be"))?;
            return Ok(length.checked_sub(1));
        }
        match short(self)? {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| Malformed("a length cannot be")),
        }
    }

    pub fn text(&mut self) -> Result<Option<String>, Malformed> {
        let Some(length) = self.length(|this| this.i16().map(i64::from))? else { return Ok(None) };
        let text = std::str::from_utf8(self.take(length)?);
        Ok(Some(text.map_err(|_| Malformed("a text is no UTF-8"))?.to_owned()))
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.length(|this| this.i32().map(i64::from))?;
        self.take(length.unwrap_or(0))
    }

    /// The elements of a list. What it announces costs no memory before it is there.
    pub fn list<T>(&mut self, mut element: impl FnMut(&mut Self) -> Result<T, Malformed>) -> Result<Vec<T>, Malformed> {
        let length = self.length(|this| this.i32().map(i64::from))?;
        (0..length.unwrap_or(0)).map(|_| element(self)).collect()
    }

    /// What later versions add at the end of a part; nobody asks.
    pub fn tags(&mut self) -> Result<(), Malformed> {
        if self.is_compact {
            for _ in 0..self.varint()? {
                self.varint()?;
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed("a length cannot be"))?;
                self.take(length)?;
            }
        }
        Ok(())
    }
}

/// What is to be sent.
#[derive(Debug, Default)]
pub(super) struct Sending {
    pub bytes: Vec<u8>,
    pub is_compact: bool,
}

impl Sending {
    pub fn put(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.bytes.extend_from_slice(bytes.as_ref());
        self
    }

    pub fn i16(&mut self, number: i16) -> &mut Self {
        self.put(number.to_be_bytes())
    }

    pub fn i32(&mut self, number: i32) -> &mut Self {
        self.put(number.to_be_bytes())
    }

    pub fn i64(&mut self, number: i64) -> &mut Self {
        self.put(number.to_be_bytes())
    }

    fn varint(&mut self, mut number: usize) -> &mut Self {
        while number > 0x7f {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.put([number as u8])
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        match self.is_compact {
            true => self.varint(text.len() + 1),
            // Topics have at most 249 letters, and mechanisms and our own name fewer.
            false => self.i16(text.len() as i16),
        };
        self.put(text)
    }

    pub fn list<T>(&mut self, elements: &[T], mut element: impl FnMut(&mut Self, &T)) -> &mut Self {
        match self.is_compact {
            true => self.varint(elements.len() + 1),
            false => self.i32(elements.len() as i32),
        };
        elements.iter().for_each(|one| element(self, one));
        self
    }

    pub fn tags(&mut self) -> &mut Self {
        if self.is_compact { self.put([0]) } else { self }
    }
}
