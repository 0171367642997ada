import Testing
import Wire

@testable import Workers

@Suite struct ClockWatchTests {
    @Test(
        "a clock that is set is told from one that goes",
        arguments: [(1.0, 1.0, nil), (3.0, 2.5, nil), (-600.0, 1.0, -601.0), (3601.0, 1.0, 3600.0)])
    func jumps(daySeconds: Double, steadySeconds: Double, jump: Double?) throws {
        let (day, steady) = (Timestamp(seconds: 1_800_000_000), ContinuousClock.now)
        var watch = ClockWatch()
        #expect(watch.jump(day, steady) == nil)
        watch.look(day: day, steady: steady)
        let found = watch.jump(
            Timestamp(microseconds: day.microseconds + Int64(daySeconds * 1e6)), steady + .seconds(steadySeconds))
        #expect(found.map { ($0 * 10).rounded() / 10 } == jump)
    }
}
