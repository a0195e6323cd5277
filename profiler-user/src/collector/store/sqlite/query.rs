//! Pages of traces, their totals, and the jobs.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

use super::super::{Cursor, Filter, JobRow, Page, TracePage};
use super::read;

/// The conditions of a filter, and where rows come from.
struct Search {
    /// What stands behind FROM; rows are `t`.
    tables: &'static str,
    /// Whose columns the order goes by: the table that leads.
    lead: &'static str,
    conditions: Vec<String>,
    values: Vec<Value>,
    /// The job is the only condition.
    is_job_alone: Option<i64>,
}

const TABLE: &str = "part_page AS t";
/// Attributes lead where there are any: they are the narrowest, and are in the order of pages themselves.
const BY_ATTRIBUTE: &str = "attribute AS a CROSS JOIN part_page AS t ON t.received_ms = a.received_ms AND t.trace_id = a.trace_id \
     AND t.sink_task = a.sink_task AND t.branch = a.branch AND t.job = a.job";

/// A page of the parts that fit, and how many do. In one transaction: the total is that of the moment of the page.
pub(super) fn page(connection: &Connection, filter: &Filter, page: &Page) -> rusqlite::Result<TracePage> {
    let transaction = connection.unchecked_transaction()?;
    let Some(search) = Search::of(connection, filter)? else { return Ok(TracePage::default()) };
    let total = search.total(connection)?;
    let found = search.places(connection, page)?;
    let limit = page.limit as usize;
    let items = read::parts(connection, found.iter().take(limit).copied())?;
    transaction.commit()?;
    let last = items.last().filter(|_| found.len() > limit);
    let next = last.map(|part| Cursor {
        received_ms: part.received_ms,
        trace_id: part.key.trace_id,
        sink_task: part.key.sink_task,
        branch: part.key.branch,
        job: part.key.job.clone(),
    });
    Ok(TracePage { total, items, next })
}

fn name(connection: &Connection, text: &str) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT id FROM name WHERE text = ?", [text], |row| row.get(0)).optional()
}

impl Search {
    /// `None` where nothing can fit.
    fn of(connection: &Connection, filter: &Filter) -> rusqlite::Result<Option<Self>> {
        let Filter {
            job,
            table,
            from_ms,
            to_ms,
            stage,
            stage_name,
            outcome,
            task,
            host,
            min_duration_ns,
            attributes,
        } = filter;
        let is_by_attribute = !attributes.is_empty();
        let (tables, lead) = if is_by_attribute { (BY_ATTRIBUTE, "a") } else { (TABLE, "t") };
        let mut search =
            Self { tables, lead, conditions: Vec::new(), values: Vec::new(), is_job_alone: None };
        if !search.attributes(connection, attributes)? {
            return Ok(None);
        }
        search.bound("received_ms >= ?", *from_ms);
        search.bound("received_ms <= ?", *to_ms);
        let is_in_time = search.conditions.is_empty();
        search.stated("t.shape IN (SELECT shape FROM shape_code WHERE code = ?)", stage.map(i64::from));
        search.stated("t.shape IN (SELECT shape FROM shape_name WHERE name = ?)", stage_name.clone());
        search.stated("t.crew IN (SELECT crew FROM crew_task WHERE task = ?)", *task);
        search.stated("t.duration_ns >= ?", *min_duration_ns);
        for (column, text) in [("tab", table), ("outcome", outcome), ("host", host)] {
            let Some(text) = text else { continue };
            let Some(number) = name(connection, text)? else { return Ok(None) };
            search.stated(&format!("t.{column} = ?"), Some(number));
        }
        if let Some(text) = job {
            let Some(number) = name(connection, text)? else { return Ok(None) };
            search.is_job_alone = (is_in_time && search.conditions.is_empty()).then_some(number);
            search.job(connection, number)?;
        }
        Ok(Some(search))
    }

    fn stated(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.conditions.push(condition.to_owned());
            self.values.push(value.into());
        }
    }

    fn bound(&mut self, condition: &str, value: Option<i64>) {
        self.stated(&format!("{}.{condition}", self.lead), value);
    }

    /// False where an attribute of the name was never seen.
    fn attributes(
        &mut self,
        connection: &Connection,
        attributes: &[(String, String)],
    ) -> rusqlite::Result<bool> {
        for (index, (text, value)) in attributes.iter().enumerate() {
            let Some(number) = name(connection, text)? else { return Ok(false) };
            let condition = if index == 0 {
                "a.name = ? AND a.value = ?"
            } else {
                "EXISTS (SELECT 1 FROM attribute AS b WHERE b.name = ? AND b.value = ? AND b.received_ms = t.received_ms \
                 AND b.trace_id = t.trace_id AND b.sink_task = t.sink_task AND b.branch = t.branch AND b.job = t.job)"
            };
            self.conditions.push(condition.to_owned());
            self.values.extend([Value::from(number), Value::from(value.clone())]);
        }
        Ok(true)
    }

    /// By the index of jobs where it saves rows; of a job that has most of the parts, they are read in their order instead, without a search for each.
    fn job(&mut self, connection: &Connection, number: i64) -> rusqlite::Result<()> {
        let sql = "SELECT coalesce(max(parts) FILTER (WHERE name = ?), 0) * 4 > total(parts) FROM job";
        let has_many: bool = connection.query_row(sql, [number], |row| row.get(0))?;
        let reads_rows = self.conditions.iter().any(|condition| !condition.starts_with("t.received_ms"));
        self.stated(if has_many && reads_rows { "+t.job = ?" } else { "t.job = ?" }, Some(number));
        Ok(())
    }

    fn total(&self, connection: &Connection) -> rusqlite::Result<u64> {
        // Kept up to date: of all, or of a job, nothing needs to be counted.
        let kept = match self.is_job_alone {
            Some(job) => Some(connection.query_row(
                "SELECT coalesce(sum(parts), 0) FROM job WHERE name = ?",
                [job],
                |row| row.get(0),
            )?),
            None if self.conditions.is_empty() => {
                Some(connection.query_row("SELECT coalesce(sum(parts), 0) FROM job", [], |row| row.get(0))?)
            }
            None => None,
        };
        let total: i64 = match kept {
            Some(total) => total,
            None => {
                let sql = format!("SELECT count(*) FROM {}{}", self.tables, conditions(&self.conditions));
                connection.prepare(&sql)?.query_row(params_from_iter(&self.values), |row| row.get(0))?
            }
        };
        Ok(u64::try_from(total).unwrap_or_default())
    }

    /// The places of a page's parts, and of one more if there is one.
    fn places(&self, connection: &Connection, page: &Page) -> rusqlite::Result<Vec<i64>> {
        let (sql, values) = self.page(connection, page)?;
        let mut statement = connection.prepare(&sql)?;
        statement.query_map(params_from_iter(values), |row| row.get(0))?.collect()
    }

    /// The statement for them, and its values.
    fn page(&self, connection: &Connection, page: &Page) -> rusqlite::Result<(String, Vec<Value>)> {
        let Self { tables, lead, .. } = self;
        let (mut stated, mut values) = (self.conditions.clone(), self.values.clone());
        let key = format!("{lead}.received_ms, {lead}.trace_id, {lead}.sink_task, {lead}.branch, {lead}.job");
        if let Some(Cursor { received_ms, trace_id, sink_task, branch, job }) = &page.after {
            let job = name(connection, job)?.unwrap_or(i64::MAX);
            stated.push(format!("({key}) < (?, ?, ?, ?, ?)"));
            let place = [*received_ms, trace_id.cast_signed(), *sink_task, branch.cast_signed(), job];
            values.extend(place.map(Value::from));
        }
        let order = key.replace(',', " DESC,");
        let stated = conditions(&stated);
        values.extend([Value::from(i64::from(page.limit) + 1), Value::from(i64::from(page.offset))]);
        Ok((format!("SELECT t.place FROM {tables}{stated} ORDER BY {order} DESC LIMIT ? OFFSET ?"), values))
    }
}

fn conditions(all: &[String]) -> String {
    if all.is_empty() { String::new() } else { format!(" WHERE {}", all.join(" AND ")) }
}

/// The jobs that have parts, those with the latest first.
pub(super) fn jobs(connection: &Connection) -> rusqlite::Result<Vec<JobRow>> {
    let sql = "SELECT (SELECT text FROM name WHERE id = job.name), parts,
            (SELECT min(received_ms) FROM part_page WHERE part_page.job = job.name),
            (SELECT max(received_ms) FROM part_page WHERE part_page.job = job.name)
        FROM job WHERE parts > 0";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let parts: i64 = row.get(1)?;
        Ok(JobRow {
            job: row.get(0)?,
            parts: u64::try_from(parts).unwrap_or_default(),
            first_ms: row.get(2)?,
            last_ms: row.get(3)?,
        })
    })?;
    let mut jobs = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    jobs.sort_by(|a, b| b.last_ms.cmp(&a.last_ms).then_with(|| a.job.cmp(&b.job)));
    Ok(jobs)
}

#[cfg(test)]
mod tests {
    use rusqlite::params_from_iter;

    use super::Search;
    use crate::collector::store::sqlite::SqliteStore;
    use crate::collector::store::{Cursor, Filter, Page, Store, suite};

    /// How SQLite goes about a page, one line a step.
    fn plan(filter: &Filter, after: Option<Cursor>) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = SqliteStore::open_in_memory().await.unwrap();
            store.write(&suite::hostile_batch()).await.unwrap();
            let filter = filter.clone();
            let page = Page { limit: 100, offset: 0, after };
            let steps = store.threads.read(move |connection| {
                let search = Search::of(connection, &filter)?.unwrap();
                let (sql, values) = search.page(connection, &page)?;
                let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                let steps = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(3))?;
                steps.collect::<rusqlite::Result<Vec<_>>>()
            });
            steps.await.unwrap().join("\n")
        })
    }

    #[test]
    fn pages_are_read_in_their_order_and_never_sorted() {
        let empty = || Some(String::new());
        let attributes = vec![(String::new(), String::new())];
        let none = Filter::default();
        let filters = [
            none.clone(),
            Filter { from_ms: Some(5), to_ms: Some(9), ..none.clone() },
            Filter { job: empty(), from_ms: Some(5), ..none.clone() },
            Filter { host: empty(), stage: Some(1), min_duration_ns: Some(5), ..none.clone() },
            Filter { job: empty(), task: Some(1), stage_name: empty(), ..none.clone() },
            Filter { attributes, job: empty(), from_ms: Some(5), ..none },
        ];
        let cursor = Cursor { received_ms: 9, trace_id: 1, sink_task: 2, branch: 0, job: String::new() };
        for filter in filters {
            for after in [None, Some(cursor.clone())] {
                let plan = plan(&filter, after.clone());
                assert!(!plan.contains("TEMP B-TREE"), "{filter:?}:\n{plan}");
                let lead = plan.lines().next().unwrap_or_default();
                let is_narrow = after.is_some() || filter.from_ms.is_some();
                assert!(!is_narrow || lead.starts_with("SEARCH"), "{filter:?}:\n{plan}");
            }
        }
    }
}
