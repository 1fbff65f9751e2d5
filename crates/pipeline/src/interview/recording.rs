//! Keeps what is answered (Attractor §6.4).

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{Answer, InterviewError, Interviewer, Question, Record};

/// Where records go beside memory.
struct Book {
    what: String,
    file: File,
}

/// Another interviewer, whose questions and answers are kept. With a file, an answer is on disk
/// before anybody acts on it, and a [`super::Queue`] can give it again.
pub struct Recording {
    inner: Arc<dyn Interviewer>,
    kept: Mutex<Vec<Record>>,
    book: Option<Mutex<Book>>,
}

impl Recording {
    /// Keeps them in memory.
    pub fn new(inner: Arc<dyn Interviewer>) -> Self {
        Self { inner, kept: Mutex::default(), book: None }
    }

    /// Also adds them to a file of JSON Lines. A last line that was not written whole, and that
    /// nobody therefore acted on, is cut off first.
    ///
    /// # Errors
    /// [`InterviewError::Io`].
    pub fn to_file(inner: Arc<dyn Interviewer>, path: &Path) -> Result<Self, InterviewError> {
        let what = path.display().to_string();
        let file =
            open(path).map_err(|source| InterviewError::Io { what: what.clone(), source })?;
        let book = Some(Mutex::new(Book { what, file }));
        Ok(Self { inner, kept: Mutex::default(), book })
    }

    /// What was asked and answered so far.
    pub fn records(&self) -> Vec<Record> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, record: Record) -> Result<(), InterviewError> {
        if let Some(book) = &self.book {
            let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
            let written = write(&mut book.file, &record);
            written.map_err(|source| InterviewError::Io { what: book.what.clone(), source })?;
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(record);
        Ok(())
    }
}

#[async_trait]
impl Interviewer for Recording {
    async fn ask(&self, question: &Question) -> Result<Answer, InterviewError> {
        let answer = self.inner.ask(question).await?;
        self.keep(Record::new(question, &answer))?;
        Ok(answer)
    }

    async fn inform(&self, message: &str, stage: &str) {
        self.inner.inform(message, stage).await;
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    file.set_len(whole as u64)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

fn write(file: &mut File, record: &Record) -> io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_data()
}
