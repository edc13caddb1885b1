//! What each expert looks at and looks for: one text for the threads of runs and for the roles of a person's own Codex.

use ledger_core::Judge;

/// A judge's field in words.
pub(crate) fn field(judge: Judge) -> &'static str {
    match judge {
        Judge::Architecture => "how parts depend on each other and what they promise each other",
        Judge::Test => "whether tests show what they are to show",
        Judge::Security => "security and privacy",
        Judge::UxAccessibility => "what people see and use, whatever their abilities",
        Judge::Performance => "time and memory",
        Judge::DataMigration => "how data is stored and how it gets from one form into another",
        Judge::ReleaseDocs => "how it is built and shipped, and what its users are told",
        Judge::CodeReview => "whether the code is right by itself, whatever was asked for",
        Judge::CleanupReview => "what could be removed",
    }
}

/// What a judge looks for in its field.
pub(crate) fn looks_for(judge: Judge) -> &'static [&'static str] {
    match judge {
        Judge::Architecture => &[
            "Does each part do what it is there for, and depend only on what it may depend on? Is something new that is there already?",
            "What others use: is a changed or removed declaration, format or message still right for everybody who uses it?",
            "Can one part fail, be changed or be tested without another?",
        ],
        Judge::Test => &[
            "Would each new or changed test fail if what it is about were wrong? Does it assert what matters, or that code runs?",
            "Which case is missing: the border, the empty, the many, the failure, the one that was broken before?",
            "Was something left out, loosened or skipped that was tested before? Does a test depend on time, order or the machine?",
        ],
        Judge::Security => &[
            "What a stranger can choose: is it bounded, checked and escaped where it is used, in commands, queries, paths, markup and logs?",
            "Who may do this, and is that asked at every way in? What happens where the question cannot be answered?",
            "Secrets, tokens, personal data: where do they come to lie, who can read them, what is told in errors?",
            "New dependencies and builds: where do they come from, is their version fixed, what do they run?",
        ],
        Judge::UxAccessibility => &[
            "Can it be used with a keyboard and a screen reader: names, roles, focus, order, contrast, no meaning by colour alone?",
            "What is seen while it waits, where nothing is there, where it failed? Can a mistake be taken back?",
            "Is it named and laid out like what is there already? Do long and translated texts fit?",
        ],
        Judge::Performance => &[
            "What grows with the data: work in loops, queries one by one, copies, things that are kept for ever?",
            "What blocks, waits or locks, and on which path that is run often?",
            "Is a claim about speed measured, before and after, on data of the real size?",
        ],
        Judge::DataMigration => &[
            "Does old data survive, also where it is not as it should be? Can it be run twice, and stopped half-way?",
            "Do the old and the new program both work with the data while the change goes out? Can it be taken back?",
            "How long does it lock what, on the real amount of data?",
        ],
        Judge::ReleaseDocs => &[
            "Does what is said fit what the program does now: commands, keys, defaults, examples?",
            "What breaks for those who upgrade, and are they told, in the place where they look?",
            "Builds and releases: can they be repeated, do they ship what was checked, do they run anything new with rights?",
        ],
        Judge::CodeReview => &[
            "Read the code as if you did not know what it is for. Wrong conditions, borders, orders, units, missed errors, leaks, races.",
            "What happens for every input that a caller can give? Is a promise of a name, type or comment not kept?",
            "Do not judge whether it is what somebody asked for, nor its style.",
        ],
        Judge::CleanupReview => &[
            "Code, tests, files, options and comments that could go without anything being missed, and what is there twice.",
            "What is more general than anything that uses it, and what the language or a library that is there does already.",
            "Name a finding of severity `high` only where it has to go before the change is delivered.",
        ],
    }
}
