import Identity
import LDAPMessage
import Policy
import Wire

extension LDAPService {
    /// Seconds that a search may take.
    private static let secondsMax: Int64 = 120
    /// Entries that are read at once.
    private static let pageMax = 500

    /// A part of what is searched, in order.
    private enum Part: Sendable {
        case fixed(FixedEntry)
        /// The accounts or groups that a plan finds, perhaps only the one of this name.
        case branch(DirectoryBranch, Plan, only: String?)
    }

    /// Entries of a branch, and whether none come after them.
    private typealias Page = (entries: [Entry], isLast: Bool)

    /// A search (RFC 4511 §4.5): writes the entries, in pages where that was asked for, and gives its end.
    func search(
        _ search: LDAPRequest.Search, _ message: LDAPMessage, _ session: Session, _ write: @escaping Write
    ) async throws -> LDAPResult {
        let control = message.controls.first { $0.type == PagedResults.oid }
        let paging = try control.map { (control) throws(LDAPError) in try PagedResults(control.value) }
        let caller = try await caller(session)
        var run = SearchRun(search, id: message.id, paging: paging)
        // A page of none ends a search.
        if paging?.size == 0 { return run.end }
        var position = try SearchPosition(cookie: paging?.cookie ?? [])
        let test = Test(search.filter)
        let selection = Selection(search.attributes, typesOnly: search.typesOnly)
        let parts = try await parts(search, test, caller, session)
        let seconds = search.timeLimit == 0 ? Self.secondsMax : min(search.timeLimit, Self.secondsMax)
        let end = Timestamp.now.adding(seconds: seconds)
        while position.part < parts.count {
            var result: LDAPResult?
            switch parts[position.part] {
            case .fixed(let entry):
                guard test.evaluate(.fixed(entry), in: tree) == .yes else { break }
                guard run.room > 0 else {
                    result = run.full(at: position.cookie)
                    break
                }
                run.add(.fixed(entry), EntryWriter(tree, entry.attributes, selection))
            case .branch(let branch, let plan, let only):
                result = try await self.search(
                    branch, plan, only: only, &run, &position, selection, session, until: end, write)
            }
            if let result {
                try await run.flush(write, all: true)
                return result
            }
            position = SearchPosition(part: position.part + 1)
        }
        try Task.checkCancellation()
        try await run.flush(write, all: true)
        return run.end
    }

    /// Searches one branch.
    ///
    /// - Returns: how the search ends, where it ends here.
    private func search(
        _ branch: DirectoryBranch, _ plan: Plan, only: String?, _ run: inout SearchRun,
        _ position: inout SearchPosition, _ selection: Selection, _ session: Session, until end: Timestamp,
        _ write: @escaping Write
    ) async throws -> LDAPResult? {
        let form = EntryWriter(tree, branch.attributes, selection, classes: branch.classes)
        var page = try await read(branch, plan, form, after: position.id, room: run.room)
        while true {
            // The next page is read while this one is written.
            var next: Task<Page, any Error>?
            if !page.isLast, let last = page.entries.last {
                let room = run.room - (plan.isExact ? Int64(page.entries.count) : 0)
                if room >= 0 { next = Task { try await read(branch, plan, form, after: last.id, room: room) } }
            }
            defer { next?.cancel() }
            for entry in page.entries {
                if plan.holds(entry, in: tree), only == nil || entry.name == only {
                    guard run.room > 0 else { return run.full(at: position.cookie) }
                    run.add(entry, form)
                    try await run.flush(write)
                }
                position.id = entry.id
            }
            guard let next else { return nil }
            try Task.checkCancellation()
            guard Timestamp.now < end else {
                return LDAPResult(.timeLimitExceeded, "the search has taken as long as it may")
            }
            // Whoever is suspended meanwhile gets no more.
            _ = try await self.caller(session)
            page = try await next.value
        }
    }

    /// - Parameter room: entries that may still be sent. One more is read, to know whether there is one.
    private func read(
        _ branch: DirectoryBranch, _ plan: Plan, _ form: EntryWriter, after id: Int64, room: Int64
    ) async throws -> Page {
        func wants(_ attributes: Attribute...) -> Bool {
            plan.rest.mentions(attributes) || attributes.contains { form.shows($0) }
        }
        let limit = plan.isExact && room < Int64(Self.pageMax) ? Int(room) + 1 : Self.pageMax
        guard branch != .groups else {
            let page = try await identity.directoryGroups(
                plan.condition, after: id, limit: limit, withMembers: wants(.member, .memberUid))
            return (page.entries.map { .group($0) }, page.isLast)
        }
        let page = try await identity.directoryAccounts(
            branch, plan.condition, after: id, limit: limit, withGroups: wants(.memberOf))
        return (page.entries.map { .account($0, branch) }, page.isLast)
    }

    // MARK: What is searched

    private func parts(
        _ search: LDAPRequest.Search, _ test: Test, _ caller: Caller, _ session: Session
    ) async throws -> [Part] {
        let (place, scope) = (try tree.place(search.base), search.scope)
        let isItself = scope == .base || scope == .subtree
        switch place {
        case .root where scope == .base: return [.fixed(root(session))]
        case .schema: return isItself ? [.fixed(DirectoryTree.schema)] : []
        default: try Self.requireLogin(caller)
        }
        switch place {
        // What lies below the root is the base.
        case .root where scope == .one: return [.fixed(tree.baseEntry)]
        case .base where scope == .base: return [.fixed(tree.baseEntry)]
        case .root, .base:
            let branches = DirectoryBranch.allCases
            var parts: [Part] = isItself || place == .root ? [.fixed(tree.baseEntry)] : []
            parts += branches.map { .fixed(tree.entry($0)) }
            if scope != .one { for branch in branches { parts += try await self.parts(of: branch, test, caller) } }
            return parts
        case .branch(let branch):
            let own: [Part] = isItself ? [.fixed(tree.entry(branch))] : []
            return scope == .base ? own : own + (try await parts(of: branch, test, caller))
        case .leaf(let branch, let name):
            let found = try await visible(name, branch, caller)
            guard isItself, let plan = Plan(test, in: branch, of: tree) else { return [] }
            return [.branch(branch, plan.of(found), only: found)]
        case .nowhere(let above): throw LDAPError(.noSuchObject, "there is no such entry", matchedDN: above)
        case .schema: return []
        }
    }

    private static func requireLogin(_ caller: Caller) throws(LDAPError) {
        guard caller.principal.isAnonymous else { return }
        throw LDAPError(.insufficientAccessRights, "the directory is shown to those who have logged in: bind first")
    }

    /// What somebody sees of a branch: all, or at most themselves.
    private func parts(of branch: DirectoryBranch, _ test: Test, _ caller: Caller) async throws -> [Part] {
        guard let plan = Plan(test, in: branch, of: tree) else { return [] }
        if try await maySearch(branch, caller) { return [.branch(branch, plan, only: nil)] }
        guard DirectoryBranch(caller.principal.kind) == branch else { return [] }
        return [.branch(branch, plan.of(caller.principal.name), only: caller.principal.name)]
    }

    private func maySearch(_ branch: DirectoryBranch, _ caller: Caller) async throws -> Bool {
        try await gate.permits(caller.principal, "ldap:Search", on: ResourceName.directory(branch), caller.context)
    }

    /// The name, as it is, of the account or group that is meant.
    ///
    /// - Throws: ``LDAPError`` `.noSuchObject` where it is not there, or not for whoever asks.
    private func visible(_ name: String, _ branch: DirectoryBranch, _ caller: Caller) async throws -> String {
        let found = try await identity.directoryName(name, in: branch)
        let isOwn = DirectoryBranch(caller.principal.kind) == branch && found == caller.principal.name
        if let found, isOwn { return found }
        guard try await maySearch(branch, caller), let found else {
            throw LDAPError(.noSuchObject, "there is no such entry", matchedDN: tree.dn(branch))
        }
        return found
    }

    // MARK: Comparing

    /// Whether an entry has a value (RFC 4511 §4.10).
    func compare(_ compare: LDAPRequest.Compare, _ session: Session) async throws -> ResultCode {
        let caller = try await caller(session)
        guard let attribute = Attribute(named: compare.attribute) else {
            throw LDAPError(.undefinedAttributeType, "there is no attribute '\(compare.attribute.prefix(64))'")
        }
        guard let value = Test.text(compare.value).flatMap({ attribute.rule.comparable($0) }) else {
            throw LDAPError(.invalidAttributeSyntax, "that cannot be a value of '\(attribute.rawValue)'")
        }
        let test = Test.equals(attribute, value)
        let entry: FixedEntry
        switch try tree.place(compare.entry) {
        case .root: entry = root(session)
        case .schema: entry = DirectoryTree.schema
        case .base:
            try Self.requireLogin(caller)
            entry = tree.baseEntry
        case .branch(let branch):
            try Self.requireLogin(caller)
            entry = tree.entry(branch)
        case .leaf(let branch, let name):
            try Self.requireLogin(caller)
            let found = try await visible(name, branch, caller)
            guard branch.attributes.contains(attribute) else { throw Self.noValue(attribute) }
            guard let plan = Plan(test, in: branch, of: tree)?.of(found) else { return .compareFalse }
            let form = EntryWriter(tree, [], Selection([], typesOnly: false))
            let page = try await read(branch, plan, form, after: 0, room: 10)
            return page.entries.contains { $0.name == found && plan.holds($0, in: tree) } ? .compareTrue : .compareFalse
        case .nowhere(let above):
            try Self.requireLogin(caller)
            throw LDAPError(.noSuchObject, "there is no such entry", matchedDN: above)
        }
        guard !entry[attribute].isEmpty else { throw Self.noValue(attribute) }
        return test.evaluate(.fixed(entry), in: tree) == .yes ? .compareTrue : .compareFalse
    }

    private static func noValue(_ attribute: Attribute) -> LDAPError {
        LDAPError(.noSuchAttribute, "the entry has no '\(attribute.rawValue)'")
    }
}
