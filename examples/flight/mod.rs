//! What the examples on flights compute for a flight.

/// A place: latitude and longitude in degrees.
pub(crate) type Place = (f64, f64);

/// Returns the great-circle distance of two places in statute miles.
///
/// The haversine formula (R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68, 1984, p. 159), on a sphere
/// of the Earth's mean radius (6371.0088 km: IUGG, Geodetic Reference System 1980).
pub(crate) fn great_circle((lat, lon): Place, (to_lat, to_lon): Place) -> f64 {
    const KILOMETRES_PER_MILE: f64 = 1.609_344;
    const EARTH_RADIUS: f64 = 6371.0088 / KILOMETRES_PER_MILE;

    let haversine = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
    let cosines = lat.to_radians().cos() * to_lat.to_radians().cos();
    let h = haversine(lat, to_lat) + cosines * haversine(lon, to_lon);
    2.0 * EARTH_RADIUS * h.sqrt().asin()
}

/// The grades that [`grade`] returns.
pub(crate) const GRADES: [&str; 5] = ["cancelled", "no arrival", "on time", "late", "very late"];

/// Grades a flight by its delays in minutes, which are null if the flight did not leave or did not arrive. A flight is on time if
/// it is less than 15 minutes late, as the US Department of Transportation counts.
pub(crate) fn grade(departure: Option<i64>, arrival: Option<i64>) -> &'static str {
    let [cancelled, no_arrival, on_time, late, very_late] = GRADES;
    match (departure, arrival) {
        (None, _) => cancelled,
        (_, None) => no_arrival,
        (_, Some(..15)) => on_time,
        (_, Some(15..60)) => late,
        (_, Some(60..)) => very_late,
    }
}
