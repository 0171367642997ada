/// Something that a verification found to be not as it should be.
package struct Finding: Sendable, Hashable {
    /// What was looked at: `database`, `journal`, `keys`, `objects`, `uploads`, `garbage`, `log`.
    package var check: String
    /// In which row, object or blob.
    package var subject: String
    /// What is wrong with it.
    package var problem: String

    package init(_ check: String, _ subject: String, _ problem: String) {
        self.check = check
        self.subject = subject
        self.problem = problem
    }
}

/// Takes findings as they are made, so that no list of them has to be kept.
package typealias FindingHandler = @Sendable (Finding) async -> Void
