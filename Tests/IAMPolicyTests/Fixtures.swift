import IAMPolicy
import Testing

/// A policy of one statement; `elements` are the JSON members after the effect.
func policy(_ elements: String, effect: String = "Allow", kind: PolicyKind = .identity) throws -> PolicyDocument {
    try PolicyDocument(
        parsing: #"{"Version":"2012-10-17","Statement":[{"Effect":"\#(effect)",\#(elements)}]}"#, kind: kind)
}

func request(
    _ action: String = "s3:GetObject", _ resource: String = "arn:aws:s3:::eo/a.txt",
    principal: String = "arn:aws:iam::martlet:user/ada", context: [String: [String]] = [:]
) -> PolicyRequest {
    PolicyRequest(principal: principal, action: action, resource: resource, context: context)
}

func allows(_ document: PolicyDocument, _ request: PolicyRequest) -> Bool {
    request.evaluate([("p", document)]).isAllowed
}

/// The error with which a document is refused; nil if it is accepted.
func refusal(_ text: String, kind: PolicyKind = .identity) -> PolicyError? {
    do throws(PolicyError) {
        _ = try PolicyDocument(parsing: text, kind: kind)
        return nil
    } catch {
        return error
    }
}

/// A generator that gives the same numbers in every run.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
