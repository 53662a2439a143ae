//! The values of a column: of one kind, the narrowest that holds them all.

/// One record's value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    /// The record has no such value.
    Missing,
    /// The record, or the value, is not what it has to be.
    Faulty,
}

/// Values of one kind; a neutral one stands where a record has none.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Integers.
    Ints(Vec<i64>),
    /// Numbers of which some have a fraction.
    Floats(Vec<f64>),
    /// True and false.
    Bools(Vec<bool>),
    /// Texts.
    Texts(Vec<String>),
}

/// One value for each record of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The values.
    pub values: Values,
    /// Positions of records that have none.
    pub missing: Vec<u64>,
    /// Positions of records that are broken, or whose value is of no or another kind.
    pub faulty: Vec<u64>,
}

impl Column {
    pub(super) fn of(values: Vec<Value>) -> Column {
        let (mut missing, mut faulty) = (Vec::new(), Vec::new());
        let (mut floats, mut bools, mut texts, mut numbers) = (0, 0, 0, 0);
        for value in &values {
            match value {
                Value::Float(_) => floats += 1,
                Value::Bool(_) => bools += 1,
                Value::Text(_) => texts += 1,
                Value::Int(_) => numbers += 1,
                Value::Missing | Value::Faulty => {}
            }
        }
        numbers += floats;
        // Where kinds are mixed, the most frequent one is the column's.
        let is_texts = texts > bools.max(numbers);
        let is_bools = !is_texts && bools > numbers;
        let mut column = if is_texts {
            Values::Texts(Vec::with_capacity(values.len()))
        } else if is_bools {
            Values::Bools(Vec::with_capacity(values.len()))
        } else if floats > 0 {
            Values::Floats(Vec::with_capacity(values.len()))
        } else {
            Values::Ints(Vec::with_capacity(values.len()))
        };
        for (position, value) in (0..).zip(values) {
            let fits = match (&mut column, value) {
                (Values::Ints(list), Value::Int(value)) => push(list, value),
                (Values::Floats(list), Value::Float(value)) => push(list, value),
                #[allow(clippy::cast_precision_loss, reason = "as Python's float() of an int")]
                (Values::Floats(list), Value::Int(value)) => push(list, value as f64),
                (Values::Bools(list), Value::Bool(value)) => push(list, value),
                (Values::Texts(list), Value::Text(value)) => push(list, value),
                (_, Value::Missing) => {
                    missing.push(position);
                    column.push_neutral();
                    true
                }
                _ => false,
            };
            if !fits {
                faulty.push(position);
                column.push_neutral();
            }
        }
        Column { values: column, missing, faulty }
    }
}

fn push<T>(list: &mut Vec<T>, value: T) -> bool {
    list.push(value);
    true
}

impl Values {
    fn push_neutral(&mut self) {
        match self {
            Values::Ints(list) => list.push(0),
            Values::Floats(list) => list.push(f64::NAN),
            Values::Bools(list) => list.push(false),
            Values::Texts(list) => list.push(String::new()),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Values::Ints(list) => list.len(),
            Values::Floats(list) => list.len(),
            Values::Bools(list) => list.len(),
            Values::Texts(list) => list.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
