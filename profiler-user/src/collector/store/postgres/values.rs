//! Values as PostgreSQL's types.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::super::relational::{Kind, Row};
use super::super::sql::Value;
use super::super::terms::{with_nul, without_nul};

type Boxed = Box<dyn Error + Sync + Send>;

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Boxed> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) if *ty == Type::INT4 => i32::try_from(*number)?.to_sql(ty, out),
            Self::Int(number) => number.to_sql(ty, out),
            Self::Text(text) => without_nul(text).to_sql(ty, out),
            Self::Bytes(bytes) => bytes.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::TEXT, Type::BYTEA].contains(ty)
    }

    to_sql_checked!();
}

/// One column of many rows: an array.
#[derive(Debug)]
pub(super) enum Column<'v> {
    /// Of numbers.
    Ints(Vec<i64>),
    /// Of texts.
    Texts(Vec<Option<String>>),
    /// Of bytes.
    Bytes(Vec<&'v [u8]>),
}

impl<'v> Column<'v> {
    /// Of a kind.
    pub(super) fn of(kind: Kind, values: impl Iterator<Item = &'v Value>) -> Self {
        match kind {
            Kind::Int => Self::Ints(values.map(int).collect()),
            Kind::Name | Kind::OptionalName | Kind::Text => Self::Texts(values.map(text).collect()),
            Kind::Id | Kind::Bytes => Self::Bytes(values.map(bytes).collect()),
        }
    }

    /// Of the kind of one of the values.
    pub(super) fn like(one: &Value, values: impl Iterator<Item = &'v Value>) -> Self {
        match one {
            Value::Int(_) => Self::of(Kind::Int, values),
            Value::Bytes(_) => Self::of(Kind::Bytes, values),
            Value::Text(_) | Value::Null => Self::of(Kind::Text, values),
        }
    }
}

fn int(value: &Value) -> i64 {
    if let Value::Int(number) = value { *number } else { 0 }
}

fn text(value: &Value) -> Option<String> {
    if let Value::Text(text) = value { Some(without_nul(text)) } else { None }
}

fn bytes(value: &Value) -> &[u8] {
    if let Value::Bytes(bytes) = value { bytes } else { &[] }
}

impl ToSql for Column<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Boxed> {
        match self {
            Self::Ints(numbers) => numbers.to_sql(ty, out),
            Self::Texts(texts) => texts.to_sql(ty, out),
            Self::Bytes(all) => all.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8_ARRAY, Type::TEXT_ARRAY, Type::BYTEA_ARRAY].contains(ty)
    }

    to_sql_checked!();
}

/// The name of a kind's type.
pub(super) const fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "int8",
        Kind::Name | Kind::OptionalName | Kind::Text => "text",
        Kind::Id | Kind::Bytes => "bytea",
    }
}

/// The values of a row.
pub(super) fn row(row: &tokio_postgres::Row) -> Result<Row, tokio_postgres::Error> {
    let value = |(at, column): (usize, &tokio_postgres::Column)| {
        Ok(match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(at)?.into(),
            Type::INT4 => row.try_get::<_, Option<i32>>(at)?.map(i64::from).into(),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at)?.into(),
            _ => row.try_get::<_, Option<&str>>(at)?.map(|text| Value::Text(with_nul(text))).into(),
        })
    };
    row.columns().iter().enumerate().map(value).collect::<Result<_, _>>().map(Row::new)
}
