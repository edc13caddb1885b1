//! Test reports in the JUnit form: found, bounded and read as what they are, the words of code under test.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ledger_core::{MAX_FAILING_TESTS, RepoPath, TestSummary};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

/// A report that is longer is refused.
pub const MAX_REPORT_FILE_BYTES: u64 = 16 << 20;
/// A report with more tests is refused.
const MAX_TESTS: usize = 200_000;
/// Elements deeper than this are refused.
const MAX_DEPTH: usize = 64;
/// Names of tests are cut at this many characters.
const MAX_NAME: usize = 300;

/// A test report cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The check wrote none.
    #[error("the test report was not written")]
    Missing,
    /// There is something else at its path, or on the way to it: a link, a folder, a pipe.
    #[error("the test report is not a regular file below the place")]
    Irregular,
    /// It is longer than 16 MiB, or has too many tests or levels.
    #[error("the test report is too long: {what}")]
    TooLong {
        /// Which bound it passes.
        what: &'static str,
    },
    /// It is no JUnit report.
    #[error("the test report is not JUnit: {reason}")]
    NotJunit {
        /// What is wrong, in our words or the parser's.
        reason: String,
    },
    /// It cannot be read.
    #[error("the test report cannot be read")]
    Io(#[source] io::Error),
}

/// How one test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestStatus {
    /// It passed, perhaps not at the first attempt.
    Passed,
    /// It failed or had an error.
    Failed,
    /// It was not run.
    Skipped,
}

/// One test of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// Class and name of the test joined by `::`, on one line of printable characters.
    pub name: String,
    /// How it ended.
    pub status: TestStatus,
}

/// All tests of a report, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestReport {
    /// The tests.
    pub tests: Vec<TestResult>,
}

impl TestReport {
    /// Reads a report. Refuses document types, elements that do not end, and what passes the bounds.
    ///
    /// ```
    /// use counterfoil_runner::junit::TestReport;
    /// let report = TestReport::parse(br#"<testsuite><testcase name="a"/><testcase name="b"><failure/></testcase></testsuite>"#)?;
    /// assert_eq!(report.summary().failing, ["b"]);
    /// # Ok::<(), counterfoil_runner::junit::ReportError>(())
    /// ```
    pub fn parse(bytes: &[u8]) -> Result<Self, ReportError> {
        if bytes.len() as u64 > MAX_REPORT_FILE_BYTES {
            return Err(ReportError::TooLong { what: "its size" });
        }
        let text = String::from_utf8_lossy(bytes);
        let mut reader = Reader::from_str(&text);
        reader.config_mut().expand_empty_elements = true;
        let mut parsing = Parsing::default();
        loop {
            match reader.read_event().map_err(not_junit)? {
                Event::Start(element) => parsing.start(&element)?,
                Event::End(_) => parsing.end()?,
                Event::DocType(_) => return Err(not_junit("it has a document type")),
                Event::Eof => return parsing.finish(),
                // What tests print is of no use here.
                _ => {}
            }
        }
    }

    /// Reads the report at a path below a place, following no link on the way.
    pub fn read(place: &Path, path: &RepoPath) -> Result<Self, ReportError> {
        let (folder, name) = open_folder(place, path, false)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, name, flags, Mode::empty()).map_err(refused)?;
        let stat = rustix::fs::fstat(&file).map_err(refused)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(ReportError::Irregular);
        }
        let mut bytes = Vec::new();
        File::from(file)
            .take(MAX_REPORT_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(ReportError::Io)?;
        Self::parse(&bytes)
    }

    /// Removes a report of an earlier time, so that it cannot be taken for a new one. None there is well.
    pub fn remove(place: &Path, path: &RepoPath) -> Result<(), ReportError> {
        let (folder, name) = match open_folder(place, path, true) {
            Err(ReportError::Missing) => return Ok(()),
            other => other?,
        };
        match rustix::fs::unlinkat(&folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(refused(error)),
        }
    }

    /// Counts, and the first hundred names of failing tests.
    pub fn summary(&self) -> TestSummary {
        let count = |status| self.tests.iter().filter(|test| test.status == status).count() as u64;
        TestSummary {
            passed: count(TestStatus::Passed),
            failed: count(TestStatus::Failed),
            skipped: count(TestStatus::Skipped),
            failing: self
                .failing()
                .take(MAX_FAILING_TESTS)
                .map(|test| test.name.clone())
                .collect(),
            known: Vec::new(),
        }
    }

    /// The tests that failed.
    pub fn failing(&self) -> impl Iterator<Item = &TestResult> {
        self.tests.iter().filter(|test| test.status == TestStatus::Failed)
    }
}

#[derive(Default)]
struct Parsing {
    report: TestReport,
    depth: usize,
    /// The depth of the test that is open.
    test: Option<usize>,
    has_root: bool,
}

impl Parsing {
    fn start(&mut self, element: &BytesStart<'_>) -> Result<(), ReportError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ReportError::TooLong { what: "its depth" });
        }
        let name = element.local_name();
        let name: &[u8] = name.as_ref().as_ref();
        if self.depth == 1 {
            if self.has_root || !matches!(name, b"testsuites" | b"testsuite") {
                return Err(not_junit("its root is not `testsuites` or `testsuite`"));
            }
            self.has_root = true;
        }
        match (name, self.test) {
            (b"testcase", None) => {
                if self.report.tests.len() == MAX_TESTS {
                    return Err(ReportError::TooLong { what: "its tests" });
                }
                self.test = Some(self.depth);
                self.report.tests.push(TestResult {
                    name: test_name(element)?,
                    status: TestStatus::Passed,
                });
            }
            (b"failure" | b"error" | b"skipped", Some(test)) if self.depth == test + 1 => {
                if let Some(last) = self.report.tests.last_mut() {
                    match name {
                        // A failure counts, whatever else is said.
                        b"skipped" if last.status == TestStatus::Passed => last.status = TestStatus::Skipped,
                        b"skipped" => {}
                        _ => last.status = TestStatus::Failed,
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ReportError> {
        if self.test == Some(self.depth) {
            self.test = None;
        }
        self.depth = self
            .depth
            .checked_sub(1)
            .ok_or_else(|| not_junit("an element ends that never began"))?;
        Ok(())
    }

    fn finish(self) -> Result<TestReport, ReportError> {
        if self.depth > 0 {
            return Err(not_junit("it ends in the middle"));
        }
        if !self.has_root {
            return Err(not_junit("it is empty"));
        }
        Ok(self.report)
    }
}

fn test_name(element: &BytesStart<'_>) -> Result<String, ReportError> {
    let (mut class, mut name) = (None, None);
    // Looking for attributes that occur twice takes time by the square of their number.
    for attribute in element.attributes().with_checks(false) {
        let attribute = attribute.map_err(not_junit)?;
        let key: &[u8] = attribute.key.as_ref().as_ref();
        let slot = match key {
            b"classname" => &mut class,
            b"name" => &mut name,
            _ => continue,
        };
        // Entities other than the five predefined ones are errors.
        *slot = Some(
            attribute
                .normalized_value(quick_xml::XmlVersion::default())
                .map_err(not_junit)?
                .into_owned(),
        );
    }
    let name = name.ok_or_else(|| not_junit("a test has no name"))?;
    let name = match class {
        Some(class) if !class.is_empty() => format!("{class}::{name}"),
        _ => name,
    };
    Ok(crate::shorten(&name, MAX_NAME))
}

fn not_junit(reason: impl ToString) -> ReportError {
    ReportError::NotJunit {
        reason: crate::shorten(&reason.to_string(), MAX_NAME),
    }
}

/// The folder that holds a path below a place, reached without following a link, and the last part of the path.
/// `repair` gives the owner back the rights to folders that an earlier check took them from.
fn open_folder<'a>(place: &Path, path: &'a RepoPath, repair: bool) -> Result<(OwnedFd, &'a [u8]), ReportError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = rustix::fs::open(place, flags, Mode::empty()).map_err(refused)?;
    let mut parts = path.parts().peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return Ok((folder, part));
        }
        let open = |folder: &OwnedFd| rustix::fs::openat(folder, part, flags | OFlags::NOFOLLOW, Mode::empty());
        let next = match open(&folder) {
            Err(Errno::ACCESS) if repair => {
                git_delivery::make_usable(folder.as_fd(), part).map_err(ReportError::Io)?;
                open(&folder)
            }
            other => other,
        };
        folder = next.map_err(refused)?;
        if repair {
            git_delivery::make_writable(folder.as_fd()).map_err(ReportError::Io)?;
        }
    }
    Err(ReportError::Missing)
}

fn refused(error: Errno) -> ReportError {
    match error {
        Errno::NOENT => ReportError::Missing,
        Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO | Errno::MLINK => ReportError::Irregular,
        error => ReportError::Io(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    const REPORT: &str = r#"<?xml version="1.0"?>
        <testsuites><testsuite name="s"><properties/>
          <testcase classname="a.B" name="passes &lt;1&gt;"><system-out><![CDATA[<failure/>]]></system-out></testcase>
          <testcase name="fails"><failure message="x">text</failure></testcase>
          <testcase name="errs"><error/><skipped/></testcase>
          <testcase name="skips"><skipped/></testcase>
          <testcase name="flaky"><flakyFailure/><system-out><failure/></system-out></testcase>
        </testsuite></testsuites>"#;

    #[test]
    fn each_test_has_its_end() {
        let report = TestReport::parse(REPORT.as_bytes()).unwrap();
        let seen: Vec<_> = report
            .tests
            .iter()
            .map(|test| (test.name.as_str(), test.status))
            .collect();
        assert_eq!(
            seen,
            [
                ("a.B::passes <1>", TestStatus::Passed),
                ("fails", TestStatus::Failed),
                ("errs", TestStatus::Failed),
                ("skips", TestStatus::Skipped),
                ("flaky", TestStatus::Passed),
            ]
        );
        let summary = report.summary();
        assert_eq!((summary.passed, summary.failed, summary.skipped), (2, 2, 1));
        assert_eq!(summary.failing, ["fails", "errs"]);
    }

    #[test]
    fn a_report_is_removed_from_a_folder_that_an_earlier_check_closed() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("out/reports");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("junit.xml"), REPORT).unwrap();
        for closed in [&folder, &place.path().join("out")] {
            fs::set_permissions(closed, fs::Permissions::from_mode(0o000)).unwrap();
        }
        TestReport::remove(place.path(), &"out/reports/junit.xml".parse().unwrap()).unwrap();
        assert!(folder.exists() && !folder.join("junit.xml").exists());
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let deep = "<testsuite>".repeat(100);
        for bad in [
            "",
            "{}",
            "<html/>",
            "<testsuite>",
            "<testsuite/><testsuite/>",
            "<testsuite></testsuites>",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><testsuite/>",
            "<testsuite><testcase name=\"&a;\"/></testsuite>",
            "<testsuite><testcase/></testsuite>",
            &deep,
        ] {
            assert!(TestReport::parse(bad.as_bytes()).is_err(), "{bad:.40}");
        }
        let long = vec![b' '; 17 << 20];
        assert!(matches!(TestReport::parse(&long), Err(ReportError::TooLong { .. })));
    }

    #[test]
    fn a_name_cannot_forge_lines() {
        let report = TestReport::parse(b"<testsuite><testcase name=\"a&#10;b&#27;[31mc\"/></testsuite>").unwrap();
        assert_eq!(report.tests[0].name, "a bc");
    }

    #[test]
    fn a_report_is_read_and_removed_below_the_place_only() {
        let world = tempfile::tempdir().unwrap();
        let place = world.path().join("place");
        let outside = world.path().join("outside");
        fs::create_dir_all(place.join("target/folder.xml")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("junit.xml"), REPORT).unwrap();
        fs::write(place.join("target/junit.xml"), REPORT).unwrap();
        symlink(outside.join("junit.xml"), place.join("target/link.xml")).unwrap();
        symlink(&outside, place.join("linked")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, place.join("fifo.xml"), Mode::RUSR | Mode::WUSR).unwrap();
        let path = |text: &str| text.parse::<RepoPath>().unwrap();

        assert_eq!(
            TestReport::read(&place, &path("target/junit.xml")).unwrap().tests.len(),
            5
        );
        for irregular in ["target/link.xml", "linked/junit.xml", "target/folder.xml", "fifo.xml"] {
            let result = TestReport::read(&place, &path(irregular));
            assert!(matches!(result, Err(ReportError::Irregular)), "{irregular}: {result:?}");
        }
        for missing in ["none.xml", "none/none.xml"] {
            assert!(matches!(
                TestReport::read(&place, &path(missing)),
                Err(ReportError::Missing)
            ));
            TestReport::remove(&place, &path(missing)).unwrap();
        }
        assert!(TestReport::remove(&place, &path("linked/junit.xml")).is_err());
        TestReport::remove(&place, &path("target/link.xml")).unwrap();
        TestReport::remove(&place, &path("target/junit.xml")).unwrap();
        assert!(outside.join("junit.xml").exists());
        assert!(!place.join("target/junit.xml").exists());
    }

    proptest! {
        #[test]
        fn no_input_makes_it_panic(text in "(<[a-z/!?]{0,3}(testsuite|testcase|failure)?( name=\"[^\"]{0,9}\")?/?>?|&[a-z]{0,3};?|[^<]){0,40}") {
            let _ = TestReport::parse(format!("<testsuite>{text}").as_bytes());
            let _ = TestReport::parse(text.as_bytes());
        }
    }
}
