import HTTPSupport
import IAMPolicy
import Identity
import Ledger
import NIOHTTP1
import Policy
import TraceFormat
import Wire

extension TraceService {
    /// Registers a batch of 1 to 50 traces: `PUT /traces/api/v1/traces`. Each has a result of its own; what policy does
    /// not allow refuses the batch.
    func register(_ request: Request) async throws -> Response {
        let caller = try await authenticator.caller(of: request)
        guard !caller.principal.isAnonymous else {
            throw Problem.unauthorized("a token is needed to register traces")
        }
        let batch = try TraceSubmission.parseBatch(
            try await request.body.collect(upTo: TraceSubmission.batchBytesMax))
        let examined = try await ledger.examine(batch)
        let good = examined.compactMap { try? $0.get() }
        for trace in good { try await requirePermission(to: trace, caller) }
        let receipts = try await ledger.register(
            good, by: caller.principal.name, origin: origin(of: caller.principal.name))
        return answer(examined, receipts)
    }

    /// That it was allowed needs no record of its own: the registration is an event.
    private func requirePermission(to trace: ExaminedTrace, _ caller: Caller) async throws {
        var context = caller.context
        context.values["ledger:Event"] = [trace.submission.event.rawValue]
        context.values["ledger:SignatureStatus"] = [trace.status.rawValue]
        let service = trace.submission.service
        for (key, value) in [
            ("ledger:ServiceOwner", service?.owner), ("ledger:ServiceProvider", service?.provider),
            ("ledger:ServiceContext", service?.context), ("ledger:EventType", service?.eventType),
        ] {
            if let value { context.values[key] = [value] }
        }
        let resource = ResourceName.trace(trace.submission.product.name)
        let decision = try await gate.decide(caller.principal, "ledger:Register", on: resource, context)
        guard !decision.isAllowed else { return }
        try await gate.require(caller.principal, "ledger:Register", on: resource, context)
    }

    /// Names of other issuers' people may have their host already.
    private func origin(of name: String) -> String { name.contains("@") ? name : "\(name)@\(host)" }

    private func answer(
        _ examined: [Result<ExaminedTrace, LedgerError>], _ receipts: [(id: TraceID, isNew: Bool)]
    ) -> Response {
        var receipts = receipts[...]
        var json = JSONWriter(capacity: 256 + 128 * examined.count)
        json.object {
            $0.member("success", receipts.count)
            $0.member("error", examined.count - receipts.count)
            $0.key("traces")
            $0.array { json in
                for result in examined {
                    json.object {
                        switch result {
                        case .success:
                            let receipt = receipts.popFirst()
                            $0.member("success", true)
                            $0.member("message", receipt?.isNew == false ? "it was registered before" : "registered")
                            if let receipt { $0.member("id", receipt.id.text) }
                        case .failure(let error):
                            $0.member("success", false)
                            $0.member("message", error.message)
                        }
                    }
                }
            }
        }
        return Response(.created, type: "application/json", bytes: json.bytes)
    }

    /// Answers `/v1/traces/NAME/validate` and `/v1/traces/validate`.
    func validate(name: String, hash: [UInt8]) async throws -> Response {
        let (isValid, message) =
            switch try await ledger.validate(name: name, hash: hash) {
            case .traced(let id, let time, .trusted):
                (true, "trace \(id), signed and registered at \(time.rfc3339), has this name and hash")
            case .traced(let id, _, .unknown):
                (false, "trace \(id) has this name and hash, but nobody whom this node trusts has signed it")
            case .traced(let id, _, .unsigned): (false, "trace \(id) has this name and hash, but is not signed")
            case .obsolete(let id, let time, let reason):
                (false, "the product is obsolete since \(time.rfc3339) (trace \(id)): \(reason)")
            case .unknown: (false, "no trace has this name and hash")
            }
        var json = JSONWriter()
        json.object {
            $0.member("success", isValid)
            $0.member("message", message)
        }
        return Response(.ok, type: "application/json", bytes: json.bytes, headers: ["Cache-Control": "no-cache"])
    }
}
