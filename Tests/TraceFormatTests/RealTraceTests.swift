import Testing
import TraceFormat
import Wire

/// A trace of the Copernicus Data Space, as its service answered it.
@Suite(.enabled(if: sharedData("cdse-trace-create.json") != nil)) struct RealTraceTests {
    private func trace() throws -> Trace {
        let traces = try Trace.parseList(sharedData("cdse-trace-create.json") ?? [])
        return try #require(traces.first)
    }

    @Test("it is read")
    func reads() throws {
        let trace = try trace()
        #expect(trace.id.text == "7374c9be-84c5-4ea4-8b2b-b1e9b1a539d7")
        #expect(trace.event == .create)
        #expect(trace.product.size == 735_683_295)
        #expect(trace.product.contents?.count == 46)
        #expect(trace.product.inputs == nil)
        #expect(trace.timestamp.rfc3339 == "2024-06-19T02:19:24.020063Z")
    }

    @Test("its message comes out with identical bytes")
    func message() throws {
        let trace = try trace()
        #expect(trace.product.message(event: trace.event) == Array(trace.signature.message.utf8))
    }

    @Test("its RSA signature holds, but its certificate had expired when it was registered")
    func signature() throws {
        let faults = try trace().signatureFaults()
        #expect(faults.map(\.code) == [.certificateNotValid])
        #expect(faults.first?.message.contains("2024-05-15") == true)
    }

    @Test("it has no fault at a time at which the certificate was valid")
    func signatureInTime() throws {
        var trace = try trace()
        trace.timestamp = trace.timestamp.adding(seconds: -60 * 86400)
        #expect(trace.signatureFaults().isEmpty)
    }

    @Test("an altered message, hash or path shows")
    func altered() throws {
        var early = try trace()
        early.timestamp = early.timestamp.adding(seconds: -60 * 86400)
        var other = early
        other.signature.message += " "
        #expect(other.signatureFaults().map(\.code) == [.invalidSignature])
        other = early
        other.product.hash = digest(0)
        #expect(other.signatureFaults().map(\.code) == [.messageDiffers])
        other = early
        other.product.contents?[3].path += "x"
        #expect(other.signatureFaults().map(\.code) == [.messageDiffers])
        other = early
        other.product.contents?.reverse()
        #expect(other.signatureFaults().isEmpty)
        other.product.contents?.removeLast()
        #expect(other.signatureFaults().map(\.code) == [.messageDiffers])
    }
}
