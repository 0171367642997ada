import HTTPSupport
import Ledger
import NIOHTTP1
import ODataFilter
import TraceFormat
import Wire

/// The older, OData form of the service: `/trace-api/Traces` (OData 4.01).
///
/// `Traces` with `$filter`, `$orderby=Timestamp`, `$top`, `$skip`, `$count`, `$select`, `$format`; `Traces/$count`,
/// `Traces(ID)`, and `Traces(ID)/Datac.Quality()`, which says whether a trace is to be believed.
struct ODataForm {
    let ledger: Ledger
    /// Of the whole face, as the client reached it.
    let base: String

    static let prefix = "trace-api"

    /// - Parameter path: the decoded segments after `trace-api`.
    func respond(to request: Request, path: [String]) async throws -> Response {
        guard request.isRead else { throw Problem.methodNotAllowed("GET, HEAD") }
        guard let query = request.query else { throw Problem.badRequest("the query is not valid percent-encoding") }
        let options = try Options(query)
        switch path {
        case []:
            return json {
                $0.member("@odata.context", base + "/$metadata"); services(&$0)
            }
        case ["$metadata"]:
            return Response(.ok, type: "application/xml", text: Self.metadata, headers: Self.headers)
        case ["Traces"]: return try await list(query, options)
        case ["Traces", "$count"]:
            let count = try await ledger.count(options.search.filter)
            return Response(.ok, type: "text/plain; charset=utf-8", text: "\(count)", headers: Self.headers)
        default:
            guard path[0].hasPrefix("Traces("), path[0].hasSuffix(")") else { break }
            let key = path[0].dropFirst("Traces(".count).dropLast().filter { $0 != "'" }
            guard let id = TraceID(key), let trace = try await ledger.trace(id: id) else {
                throw Problem.notFound("there is no trace '\(key.prefix(80))'")
            }
            switch path.dropFirst() {
            case []: return entity(trace, options.select)
            case ["Datac.Quality()"], ["Datac.Quality"]: return try await quality(of: trace)
            default: break
            }
        }
        throw Problem.notFound("there is nothing at \(request.rawPath.prefix(200)); there are Traces and Traces(ID)")
    }

    // MARK: Options

    private struct Options {
        var search = TraceSearch()
        var counts: Bool
        /// Nil for all.
        var select: Set<String>?

        init(_ query: QueryItems) throws {
            let given = try ODataOptions(query)
            (counts, select) = (given.counts, given.select)
            (search.filter, search.top, search.skip) = (given.filter, given.top, given.skip)
            if let other = select?.first(where: { !ODataForm.members.contains($0) }) {
                throw Problem.badRequest("$select: a trace has no '\(other.prefix(40))'")
            }
            if let first = given.order.first {
                guard first.name == "Timestamp", given.order.count == 1 else {
                    throw Problem.badRequest("$orderby is Timestamp, with asc or desc")
                }
                search.isNewestFirst = first.isDescending
            }
            if let token = given.token {
                guard let after = Int64(token), after >= 0 else {
                    throw Problem.badRequest("'\(token.prefix(40))' is no $skiptoken")
                }
                search.after = after
            }
        }
    }

    // MARK: Answers

    private static let headers: HTTPHeaders = ["OData-Version": "4.0"]

    private func json(_ body: (inout JSONWriter) -> Void) -> Response {
        var json = JSONWriter()
        json.object(body)
        return Response(.ok, type: "application/json;odata.metadata=minimal", bytes: json.bytes, headers: Self.headers)
    }

    private func services(_ json: inout JSONWriter) {
        json.key("value")
        json.array {
            $0.object {
                $0.member("name", "Traces")
                $0.member("url", "Traces")
            }
        }
    }

    private func list(_ query: QueryItems, _ options: Options) async throws -> Response {
        let count = options.counts ? try await ledger.count(options.search.filter) : nil
        let page = options.search.top == 0 ? nil : try await ledger.search(options.search)
        return json { json in
            json.member("@odata.context", base + "/$metadata#Traces")
            if let count { json.member("@odata.count", count) }
            json.key("value")
            json.array { json in
                for trace in page?.traces ?? [] { json.object { write(trace, options.select, to: &$0) } }
            }
            guard let next = page?.next else { return }
            let rest = query.items.filter { $0.name != "$skiptoken" && $0.name != "$skip" && $0.name != "$count" }
            let further = QueryItems(rest.map { ($0.name, $0.value) } + [("$skiptoken", String(next))])
            json.member("@odata.nextLink", "\(base)/Traces?\(further.encoded)")
        }
    }

    private static let members: Set<String> = [
        "Id", "Event", "Name", "Size", "Hash", "HashAlgorithm", "Timestamp", "Origin", "SignatureStatus",
        "Obsolescence",
        "Contents", "Inputs", "Signature",
    ]

    private func write(_ trace: TraceSummary, _ select: Set<String>?, to json: inout JSONWriter) {
        func has(_ name: String) -> Bool { select?.contains(name) ?? true }
        json.member("Id", trace.id.text)
        if has("Event") { json.member("Event", trace.event) }
        if has("Name") { json.member("Name", trace.name) }
        if has("Size") { json.member("Size", trace.size) }
        if has("Hash") { json.member("Hash", trace.hash) }
        if has("HashAlgorithm") { json.member("HashAlgorithm", trace.hashAlgorithm) }
        if has("Timestamp") { json.member("Timestamp", trace.time.rfc3339) }
        if has("Origin") { json.member("Origin", trace.origin) }
        if has("SignatureStatus") { json.member("SignatureStatus", trace.status) }
        if has("Obsolescence"), let reason = trace.obsolescence { json.member("Obsolescence", reason) }
    }

    /// One trace whole: with what lists leave out, since it may have a hundred thousand files.
    private func entity(_ trace: Trace, _ select: Set<String>?) -> Response {
        func has(_ name: String) -> Bool { select?.contains(name) ?? true }
        return json { json in
            json.member("@odata.context", base + "/$metadata#Traces/$entity")
            json.member("Id", trace.id.text)
            if has("Event") { json.member("Event", trace.event.rawValue) }
            if has("Name") { json.member("Name", trace.product.name) }
            if has("Size") { json.member("Size", trace.product.size) }
            if has("Hash") { json.member("Hash", trace.product.hash) }
            if has("HashAlgorithm") { json.member("HashAlgorithm", trace.hashAlgorithm.rawValue) }
            if has("Timestamp") { json.member("Timestamp", trace.timestamp.rfc3339) }
            if has("Origin") { json.member("Origin", trace.origin) }
            if has("SignatureStatus"), let status = trace.signatureStatus {
                json.member("SignatureStatus", status.rawValue)
            }
            if has("Obsolescence"), let reason = trace.obsolescence { json.member("Obsolescence", reason) }
            if has("Contents") {
                json.key("Contents")
                json.array { json in
                    for content in trace.product.contents ?? [] {
                        json.object {
                            $0.member("Path", content.path)
                            $0.member("Hash", content.hash)
                        }
                    }
                }
            }
            if has("Inputs") {
                json.key("Inputs")
                json.array { json in
                    for input in trace.product.inputs ?? [] {
                        json.object {
                            $0.member("Name", input.name)
                            $0.member("Hash", input.hash)
                        }
                    }
                }
            }
            if has("Signature") {
                json.key("Signature")
                json.object {
                    $0.member("Signature", trace.signature.signature)
                    $0.member("Algorithm", trace.signature.algorithm)
                    $0.member("Certificate", trace.signature.certificate)
                    $0.member("Message", trace.signature.message)
                }
            }
        }
    }

    /// What is found when a trace is verified now: its signature, by whom, in the log, not obsolete.
    private func quality(of trace: Trace) async throws -> Response {
        var isObsolete = false
        if let hash = Hex.decode(trace.product.hash.lowercased()) {
            if case .obsolete = try await ledger.validate(name: trace.product.name, hash: hash) { isObsolete = true }
        }
        // Those of OpenPGP were verified when they were registered, or they would not be here.
        let faults = trace.signatureFaults().filter { $0.code != .notVerified }
        let isLogged = try await ledger.proof(trace.id) != nil
        return json {
            $0.member("@odata.context", base + "/$metadata#Datac.Quality")
            $0.member("IsValid", faults.isEmpty && isLogged && !isObsolete)
            $0.member("SignatureStatus", trace.signatureStatus?.rawValue ?? "")
            $0.member("IsLogged", isLogged)
            $0.member("IsObsolete", isObsolete)
            $0.member("Faults", faults.map { "\($0)" })
        }
    }

    /// The error in OData's form (OData JSON Format 4.01, §21); nil for one that clients are told nothing about.
    static func failure(_ error: any Error) -> Response? {
        let problem: Problem
        if let error = error as? ODataError {
            problem = .badRequest("$filter: \(error)")
        } else if let error = error as? LedgerError, error.code == .invalidQuery {
            problem = .badRequest("$filter: \(error)")
        } else if let known = Problem(error) {
            problem = known
        } else {
            return nil
        }
        var json = JSONWriter()
        json.object {
            $0.key("error")
            $0.object {
                $0.member("code", problem.code)
                $0.member("message", problem.detail)
            }
        }
        var headers = problem.headers
        headers.add(name: "OData-Version", value: "4.0")
        return Response(problem.status, type: "application/json", bytes: json.bytes, headers: headers)
    }

    private static let metadata = """
        <?xml version="1.0" encoding="utf-8"?>
        <edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
        <Schema Namespace="Datac" xmlns="http://docs.oasis-open.org/odata/ns/edm">
        <EntityType Name="Trace"><Key><PropertyRef Name="Id"/></Key>
        <Property Name="Id" Type="Edm.Guid" Nullable="false"/><Property Name="Event" Type="Edm.String"/>
        <Property Name="Name" Type="Edm.String"/><Property Name="Size" Type="Edm.Int64"/>
        <Property Name="Hash" Type="Edm.String"/><Property Name="HashAlgorithm" Type="Edm.String"/>
        <Property Name="Timestamp" Type="Edm.DateTimeOffset"/><Property Name="Origin" Type="Edm.String"/>
        <Property Name="SignatureStatus" Type="Edm.String"/><Property Name="Obsolescence" Type="Edm.String"/>
        <Property Name="Contents" Type="Collection(Datac.Content)"/><Property Name="Inputs" Type="Collection(Datac.Input)"/>
        <Property Name="Signature" Type="Datac.Signature"/></EntityType>
        <ComplexType Name="Content"><Property Name="Path" Type="Edm.String"/><Property Name="Hash" Type="Edm.String"/></ComplexType>
        <ComplexType Name="Input"><Property Name="Name" Type="Edm.String"/><Property Name="Hash" Type="Edm.String"/></ComplexType>
        <ComplexType Name="Signature"><Property Name="Signature" Type="Edm.String"/><Property Name="Algorithm" Type="Edm.String"/>
        <Property Name="Certificate" Type="Edm.String"/><Property Name="Message" Type="Edm.String"/></ComplexType>
        <ComplexType Name="QualityResult"><Property Name="IsValid" Type="Edm.Boolean"/>
        <Property Name="SignatureStatus" Type="Edm.String"/><Property Name="IsLogged" Type="Edm.Boolean"/>
        <Property Name="IsObsolete" Type="Edm.Boolean"/><Property Name="Faults" Type="Collection(Edm.String)"/></ComplexType>
        <Function Name="Quality" IsBound="true"><Parameter Name="trace" Type="Datac.Trace"/>
        <ReturnType Type="Datac.QualityResult"/></Function>
        <EntityContainer Name="Container"><EntitySet Name="Traces" EntityType="Datac.Trace"/></EntityContainer>
        </Schema></edmx:DataServices></edmx:Edmx>
        """
}
